//! The values of settings that are one of a few words.

use clap::ValueEnum;
use scope3_mcp_gateway::{Environment, consent::Confirm};

/// A Scope3 environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EnvironmentChoice {
    /// Live, with real money.
    Production,
    /// For testing.
    Staging,
}

impl From<EnvironmentChoice> for Environment {
    fn from(choice: EnvironmentChoice) -> Self {
        match choice {
            EnvironmentChoice::Production => Self::Production,
            EnvironmentChoice::Staging => Self::Staging,
        }
    }
}

/// What a call does when a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LimitChoice {
    /// Refuse at once and say when to retry.
    Reject,
    /// Wait, for up to `--max-wait`.
    Wait,
}

/// Whether a person has to consent to calls that can spend or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfirmChoice {
    /// Always; clients that cannot ask their user are refused.
    Strict,
    /// Yes; where the client cannot ask, the agent gets a preview and asks.
    Auto,
    /// No; leave it to the client.
    Off,
}

impl From<ConfirmChoice> for Confirm {
    fn from(choice: ConfirmChoice) -> Self {
        match choice {
            ConfirmChoice::Strict => Self::Strict,
            ConfirmChoice::Auto => Self::Auto,
            ConfirmChoice::Off => Self::Off,
        }
    }
}

/// How a model reaches tools that are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiscoverChoice {
    /// All tools are listed.
    #[value(aliases = ["0", "no", "off", "n", "f"])]
    False,
    /// With tools that find and call others.
    #[value(aliases = ["1", "yes", "on", "y", "t"])]
    True,
    /// In the same way; the tools that a session finds are also added to its list.
    List,
}

/// Who may connect over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthChoice {
    /// Callers send their own Scope3 key, and calls use it.
    Key,
    /// Callers send the server's token; calls use the server's own key.
    Token,
    /// Everyone.
    None,
}

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines of text.
    Text,
    /// One JSON object per line.
    Json,
}
