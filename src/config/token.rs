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
            warn_if_exposed(path);
            check(flag, text.into()).map(Some)
        }
        (Some(_), Some(_)) => {
            Err(ConfigError::value(flag, format!("set {VARIABLE} or a file that holds the token, not both")))
        }
    }
}

/// Warns about a file that every user of the machine can read.
fn warn_if_exposed(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const READ_BY_OTHERS: u32 = 0o004;
        let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & READ_BY_OTHERS != 0) {
            let file = path.display().to_string();
            tracing::warn!(file, "every user of this machine can read the token file; run `chmod o-r` on it");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
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
