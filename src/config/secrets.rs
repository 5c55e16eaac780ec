//! Settings that come from the environment alone, since every user of a machine sees its command lines.

use jiff::civil::Date;
use scope3_mcp_gateway::credentials::ApiKey;
use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, environment};

/// The name of the variable of each.
pub(super) const VARIABLES: [&str; 4] = [API_KEY, BACKUP_API_KEYS, API_KEY_ISSUED, MCP_TOKEN];

pub(super) const API_KEY: &str = "SCOPE3_API_KEY";
const BACKUP_API_KEYS: &str = "SCOPE3_BACKUP_API_KEYS";
const API_KEY_ISSUED: &str = "SCOPE3_API_KEY_ISSUED";
const MCP_TOKEN: &str = "SCOPE3_MCP_TOKEN";

/// What the environment held when the program started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    /// The API key, not checked: a malformed one is reported by each call.
    pub(crate) api_key: Option<SecretString>,
    /// The keys to use when the first is refused, in order.
    pub(crate) backup_api_keys: Vec<ApiKey>,
    /// The date on which the API key was issued.
    pub(crate) api_key_issued: Option<Date>,
    /// What clients of `http --auth token` must send.
    pub(crate) mcp_token: Option<SecretString>,
}

impl Secrets {
    /// Reads the environment.
    ///
    /// # Errors
    /// When a backup or a date is malformed, or a variable is not UTF-8.
    pub(crate) fn read() -> Result<Self, ConfigError> {
        Ok(Self {
            api_key: secret(API_KEY)?,
            backup_api_keys: secret(BACKUP_API_KEYS)?.map_or_else(|| Ok(Vec::new()), |text| keys(&text))?,
            api_key_issued: environment::text(API_KEY_ISSUED)?.map(|text| date(&text)).transpose()?,
            mcp_token: secret(MCP_TOKEN)?,
        })
    }
}

fn secret(name: &str) -> Result<Option<SecretString>, ConfigError> {
    Ok(environment::text(name)?.map(SecretString::from))
}

fn keys(text: &SecretString) -> Result<Vec<ApiKey>, ConfigError> {
    let parts = text.expose_secret().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .enumerate()
        .map(|(at, part)| {
            ApiKey::parse(&part.into()).map_err(|why| {
                ConfigError::value(BACKUP_API_KEYS, format!("key {} is malformed: {why}", at + 1))
            })
        })
        .collect()
}

fn date(text: &str) -> Result<Date, ConfigError> {
    text.parse().map_err(|_| ConfigError::value(API_KEY_ISSUED, "expected a date such as 2026-01-31"))
}
