//! Every setting of the server: a flag, else the environment, else the file, else the default.
//!
//! There is one structure, and the command line parser fills it. Names that it does not know are refused wherever
//! they stand: a mistyped `SCOPE3_READONLY` must not leave a server open.

mod file;
mod token;

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, Command, ValueEnum, builder::BoolishValueParser};
use jiff::{SignedDuration, civil::Date};
use secrecy::SecretString;
use url::Url;

pub use self::file::with_file;
use crate::{
    catalog::{Surface, nearest},
    credentials::{ApiKey, KeyRing, KeySource},
    gateway::OnLimit,
    limits::{Class, Quota},
    policy::Choice,
    rate::Rate,
    scope3::{BaseUrl, Environment, Profile},
};

/// The settings that a command line, the environment and a file share.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// A TOML file of settings, named like the flags
    #[arg(long, env = "SCOPE3_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// A file that holds the API key (a mounted secret); read again when it changes
    #[arg(long, env = "SCOPE3_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,

    /// A command that prints the API key (a secret manager's client); no shell
    #[arg(long, env = "SCOPE3_API_KEY_COMMAND", value_name = "COMMAND")]
    pub api_key_command: Option<String>,

    /// Use the embedded API instead of Scope3; needs no key
    #[arg(long, env = "SCOPE3_SANDBOX", value_parser = BoolishValueParser::new())]
    pub sandbox: bool,

    /// The APIs to work with, by comma
    #[arg(long, env = "SCOPE3_API", value_delimiter = ',', default_value = "campaign")]
    pub api: Vec<Surface>,

    /// Which of Scope3's installations
    #[arg(long, env = "SCOPE3_ENVIRONMENT", value_enum, default_value = "production")]
    pub environment: Environment,

    /// Another base URL for a single API; `http:` only to this machine
    #[arg(long, env = "SCOPE3_API_URL", value_name = "URL")]
    pub api_url: Option<BaseUrl>,

    /// The toolsets to offer, by comma: names, `default` or `all`
    #[arg(long, env = "SCOPE3_TOOLSETS", value_delimiter = ',', value_name = "NAMES")]
    pub toolsets: Option<Vec<String>>,

    /// Tools to offer besides the toolsets, by comma; alone, only these
    #[arg(long, env = "SCOPE3_TOOLS", value_delimiter = ',', value_name = "NAMES")]
    pub tools: Vec<String>,

    /// Tools not to offer, by comma
    #[arg(long, env = "SCOPE3_EXCLUDE_TOOLS", value_delimiter = ',', value_name = "NAMES")]
    pub exclude_tools: Vec<String>,

    /// Offer only what changes nothing; wins over everything
    #[arg(long, env = "SCOPE3_READ_ONLY", value_parser = BoolishValueParser::new())]
    pub read_only: bool,

    /// Tool calls that may reach Scope3, for each key
    #[arg(long, env = "SCOPE3_MCP_LIMIT", value_name = "RATE", default_value = "500/h")]
    pub mcp_limit: Rate,

    /// HTTP requests to Scope3, for each key
    #[arg(long, env = "SCOPE3_API_LIMIT", value_name = "RATE", default_value = "1000/h")]
    pub api_limit: Rate,

    /// Data exports, for each key
    #[arg(long, env = "SCOPE3_EXPORT_LIMIT", value_name = "RATE", default_value = "50/h")]
    pub export_limit: Rate,

    /// What a call does when a limit is reached
    #[arg(long, env = "SCOPE3_ON_LIMIT", value_enum, default_value = "reject")]
    pub on_limit: LimitChoice,

    /// The longest that a call waits for a limit
    #[arg(long, env = "SCOPE3_MAX_WAIT", value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub max_wait: Duration,

    /// Where to listen [default: 127.0.0.1:8080 for http, a free port for sandbox]
    #[arg(long, env = "SCOPE3_BIND", value_name = "ADDRESS")]
    pub bind: Option<SocketAddr>,

    /// Who may come in over http: those with a Scope3 key of their own, with a token, or everybody [default: none on
    /// this machine, elsewhere key or, where this server has a key, token]
    #[arg(long, env = "SCOPE3_AUTH", value_enum, value_name = "WHO")]
    pub auth: Option<AuthChoice>,

    /// A file that holds the token of `--auth token` (a mounted secret)
    #[arg(long, env = "SCOPE3_MCP_TOKEN_FILE", value_name = "FILE")]
    pub mcp_token_file: Option<PathBuf>,

    /// Let everybody in who reaches this server, although it listens to more than this machine
    #[arg(long, env = "SCOPE3_DANGEROUSLY_ALLOW_UNAUTHENTICATED", value_parser = BoolishValueParser::new())]
    pub dangerously_allow_unauthenticated: bool,

    /// Names that the http server answers to, by comma, besides this machine's: `mcp.example.com`, or with a port
    #[arg(long, env = "SCOPE3_ALLOW_HOST", value_delimiter = ',', value_name = "HOSTS")]
    pub allow_host: Vec<String>,

    /// The URL by which clients reach the http server, where a proxy stands before it: `https://mcp.example.com`
    #[arg(long, env = "SCOPE3_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    pub public_url: Option<Url>,

    /// Origins whose pages may talk to the http server, by comma: `https://app.example.com`, `http://localhost:*`
    #[arg(long, env = "SCOPE3_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGINS")]
    pub allow_origin: Vec<String>,

    /// The most sessions over http; the one that has been still for longest makes room
    #[arg(long, env = "SCOPE3_MAX_SESSIONS", value_name = "NUMBER", default_value = "2000")]
    pub max_sessions: NonZeroU32,

    /// The most sessions of each key that callers bring
    #[arg(long, env = "SCOPE3_MAX_SESSIONS_PER_KEY", value_name = "NUMBER", default_value = "100")]
    pub max_sessions_per_key: NonZeroU32,

    /// How long a session over http is kept that has neither a call nor an open stream
    #[arg(long, env = "SCOPE3_SESSION_IDLE", value_name = "TIME", default_value = "30m", value_parser = idle_time)]
    pub session_idle: Duration,

    /// The most calls at once over http
    #[arg(long, env = "SCOPE3_MAX_CALLS", value_name = "NUMBER", default_value = "64")]
    pub max_calls: NonZeroU32,

    /// The most calls at once of each key that callers bring
    #[arg(long, env = "SCOPE3_MAX_CALLS_PER_KEY", value_name = "NUMBER", default_value = "16")]
    pub max_calls_per_key: NonZeroU32,

    /// The most connections over http; the one that has been silent for longest makes room
    #[arg(long, env = "SCOPE3_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "1024")]
    pub max_connections: NonZeroU32,

    /// Memory for the bodies of requests over http that are held at once, in MiB, at least 4
    #[arg(long, env = "SCOPE3_REQUEST_MEMORY", value_name = "MIB", default_value = "64", value_parser = clap::value_parser!(u32).range(4..))]
    pub request_memory: u32,

    /// Requests a minute that all keys together may send which callers bring and Scope3 has not accepted yet
    #[arg(long, env = "SCOPE3_UNPROVEN_PER_MINUTE", value_name = "NUMBER", default_value = "60")]
    pub unproven_per_minute: NonZeroU32,

    /// Memory for the answers of Scope3 that are held at once, in MiB
    #[arg(long, env = "SCOPE3_RESPONSE_MEMORY", value_name = "MIB", default_value = "256")]
    pub response_memory: NonZeroU32,

    /// The form of the log, which goes to standard error; `RUST_LOG` sets its level
    #[arg(long, env = "SCOPE3_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// What a call does when a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LimitChoice {
    /// Answer at once when it may be made.
    Reject,
    /// Wait, if that is within `--max-wait`.
    Wait,
}

/// Who may come in over http.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthChoice {
    /// Who brings a Scope3 key, which the calls are made with.
    Key,
    /// Who brings the token of `SCOPE3_MCP_TOKEN`; calls are made with the server's own key.
    Token,
    /// Everybody.
    None,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Settings that come from the environment alone, since command lines are seen by every user of a machine.
const SECRETS: [&str; 4] =
    ["SCOPE3_API_KEY", "SCOPE3_BACKUP_API_KEYS", "SCOPE3_API_KEY_ISSUED", "SCOPE3_MCP_TOKEN"];

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that there is not.
    #[error("unknown setting `{name}`{}", .instead.as_ref().map_or_else(String::new, |it| format!("; did you mean `{it}`?")))]
    Unknown {
        /// The name.
        name: String,
        /// The name that was probably meant.
        instead: Option<String>,
    },
    /// A value that there is not.
    #[error("{name}: {problem}")]
    Value {
        /// The setting.
        name: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// The settings file.
    #[error("the settings file {path}: {problem}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl ConfigError {
    fn value(name: &str, problem: impl Into<String>) -> Self {
        Self::Value { name: name.to_owned(), problem: problem.into() }
    }
}

impl Settings {
    /// What the operator chose to offer.
    #[must_use]
    pub fn choice(&self) -> Choice {
        Choice {
            toolsets: self.toolsets.clone(),
            tools: self.tools.clone(),
            exclude: self.exclude_tools.clone(),
            read_only: self.read_only,
            surfaces: self.api.clone(),
        }
    }

    /// What an API allows, with the operator's figures.
    #[must_use]
    pub fn quotas(&self, profile: &Profile) -> Vec<Quota> {
        let chosen = |class| match class {
            Class::MCP => Some(self.mcp_limit),
            Class::API => Some(self.api_limit),
            Class::EXPORT => Some(self.export_limit),
            _ => None,
        };
        let quotas = profile.quotas.iter();
        quotas.map(|quota| Quota { rate: chosen(quota.class).unwrap_or(quota.rate), ..*quota }).collect()
    }

    /// What a call does when a limit is reached.
    #[must_use]
    pub fn when_full(&self) -> OnLimit {
        match self.on_limit {
            LimitChoice::Reject => OnLimit::Reject,
            LimitChoice::Wait => OnLimit::Wait(self.max_wait),
        }
    }

    /// Whether the server has a key of its own, or a place to get one from.
    #[must_use]
    pub fn has_own_key(&self) -> bool {
        self.sandbox
            || self.api_key_file.is_some()
            || self.api_key_command.is_some()
            || secret("SCOPE3_API_KEY").is_some()
            || secret("SCOPE3_BACKUP_API_KEYS").is_some()
    }

    /// What clients of `http --auth token` must send, where the operator chose it.
    ///
    /// # Errors
    /// When it is named twice, cannot be read, or is a text that no client can send.
    pub fn mcp_token(&self) -> Result<Option<SecretString>, ConfigError> {
        token::read(secret("SCOPE3_MCP_TOKEN"), self.mcp_token_file.as_deref())
    }

    /// The server's own keys.
    ///
    /// # Errors
    /// When they are named twice, or a backup or a date is malformed. A primary key that is absent or malformed is
    /// no error: each call says so, where somebody reads it.
    pub fn key_ring(&self) -> Result<KeyRing, ConfigError> {
        let given = secret("SCOPE3_API_KEY");
        let source = match (given, &self.api_key_file, &self.api_key_command) {
            (None, None, None) => KeySource::None,
            (Some(text), None, None) => KeySource::given(&text),
            (None, Some(path), None) => KeySource::file(path.clone()),
            (None, None, Some(command)) => KeySource::command(words(command)?),
            _ => {
                let problem = "set one of SCOPE3_API_KEY, --api-key-file and --api-key-command, not several";
                return Err(ConfigError::value("the API key", problem));
            }
        };
        Ok(KeyRing::new(source, backups()?, issued()?))
    }
}

fn words(command: &str) -> Result<Vec<String>, ConfigError> {
    match shell_words::split(command) {
        Ok(words) if !words.is_empty() => Ok(words),
        _ => {
            Err(ConfigError::value("--api-key-command", "a program and its arguments, quoted as in a shell"))
        }
    }
}

fn backups() -> Result<Vec<ApiKey>, ConfigError> {
    let Some(text) = secret("SCOPE3_BACKUP_API_KEYS") else { return Ok(Vec::new()) };
    let parts =
        secrecy::ExposeSecret::expose_secret(&text).split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .enumerate()
        .map(|(at, part)| {
            ApiKey::parse(&part.into()).map_err(|why| {
                ConfigError::value("SCOPE3_BACKUP_API_KEYS", format!("key {} is malformed: {why}", at + 1))
            })
        })
        .collect()
}

fn issued() -> Result<Option<Date>, ConfigError> {
    let Ok(text) = std::env::var("SCOPE3_API_KEY_ISSUED") else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| ConfigError::value("SCOPE3_API_KEY_ISSUED", "a date like 2026-01-31 is wanted"))
}

/// A secret from the environment. One that is set to nothing is not set: clients fill in empty strings.
fn secret(name: &str) -> Option<SecretString> {
    let text = std::env::var(name).ok()?;
    (!text.trim().is_empty()).then(|| text.into())
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time like `20s`, `200ms` or `2m` is wanted".to_owned();
    let parsed: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(parsed).map_err(|_| wrong())
}

/// The shortest time that a session can be still for: one must last from one request to the next.
const MIN_IDLE_TIME: Duration = Duration::from_millis(100);

fn idle_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < MIN_IDLE_TIME { Err("expected at least `100ms`, such as `30m`".to_owned()) } else { Ok(time) }
}

fn public_url(text: &str) -> Result<Url, String> {
    let is_bare = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = Url::parse(text.trim()).ok().filter(is_bare);
    url.ok_or_else(|| {
        "expected a URL such as `https://mcp.example.com`, without a query or a password".to_owned()
    })
}

/// Parses a time for other commands' flags, in the same form.
///
/// # Errors
/// When the text is no time.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text)
}

/// Refuses environment variables that look like settings and are none.
///
/// # Errors
/// Names the first, with the one that was probably meant.
pub fn check_environment(command: &Command) -> Result<(), ConfigError> {
    let commands = std::iter::once(command).chain(command.get_subcommands());
    let known: Vec<String> = commands
        .flat_map(Command::get_arguments)
        .filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned))
        .chain(SECRETS.map(str::to_owned))
        .collect();
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("SCOPE3_") && !known.iter().any(|known| known == name) {
            let instead = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            return Err(ConfigError::Unknown { name: name.to_owned(), instead });
        }
    }
    Ok(())
}
