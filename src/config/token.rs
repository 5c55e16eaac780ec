//! The token of `http --auth token`, from the environment or a file.

use std::path::Path;

use scope3_mcp_gateway::catalog::echo;
use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;

const VARIABLE: &str = "SCOPE3_MCP_TOKEN";

/// Reads the token. `flag` is the name of the file setting, for errors.
pub(super) fn read(
    given: Option<SecretString>,
    file: Option<&Path>,
    flag: &str,
) -> Result<Option<SecretString>, ConfigError> {
    match (given, file) {
        (None, None) => Ok(None),
        (Some(token), None) => check(VARIABLE, token).map(Some),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ConfigError::value(flag, format!("cannot read `{}`: {error}", echo(&path.to_string_lossy())))
            })?;
            check(flag, text.into()).map(Some)
        }
        (Some(_), Some(_)) => {
            Err(ConfigError::value(flag, format!("set {VARIABLE} or a file that holds the token, not both")))
        }
    }
}

/// Removes the byte order mark and the white space that editors add, and checks that a header can carry the token.
fn check(name: &str, token: SecretString) -> Result<SecretString, ConfigError> {
    let text = token.expose_secret().trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.contains(|letter: char| !matches!(letter, ' '..='~')) {
        let problem = "expected one line of printable ASCII characters";
        return Err(ConfigError::value(name, problem));
    }
    Ok(text.into())
}
