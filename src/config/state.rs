//! Where the state is.

use std::{env, path::PathBuf, str::FromStr};

use scope3_mcp_gateway::state::{InvalidRedisUrl, StateLocation};

/// The value of `--state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChoice(StateLocation);

impl FromStr for StateChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("expected a file, `memory` or a redis:// URL".to_owned()),
            "memory" => Ok(Self(StateLocation::Memory)),
            text if text.contains("://") => text
                .parse()
                .map(|url| Self(StateLocation::Redis(url)))
                .map_err(|error: InvalidRedisUrl| format!("{error}; or a file, or `memory`")),
            path => Ok(Self(StateLocation::File(path.into()))),
        }
    }
}

impl StateChoice {
    /// The chosen location, or the usual one: a file of the user, or memory for the sandbox, which forgets as well.
    pub(super) fn location(choice: Option<&Self>, sandbox: bool) -> StateLocation {
        match choice {
            Some(Self(location)) => location.clone(),
            None if sandbox => StateLocation::Memory,
            None => usual_place().map_or(StateLocation::Nowhere, StateLocation::File),
        }
    }
}

/// The state file of the user. The directory is the one that the system's conventions name for state.
fn usual_place() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
    };
    Some(directory?.join("scope3-mcp").join("state.db"))
}
