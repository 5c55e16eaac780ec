//! Secrets. They come from the environment only, because every user of a machine can see its command lines.

use jiff::civil::Date;
use scope3_mcp_gateway::credentials::ApiKey;
use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, environment};

/// The variables of the secrets.
pub(super) const VARIABLES: [&str; 4] = [API_KEY, BACKUP_API_KEYS, API_KEY_ISSUED, MCP_TOKEN];

pub(super) const API_KEY: &str = "SCOPE3_API_KEY";
const BACKUP_API_KEYS: &str = "SCOPE3_BACKUP_API_KEYS";
const API_KEY_ISSUED: &str = "SCOPE3_API_KEY_ISSUED";
const MCP_TOKEN: &str = "SCOPE3_MCP_TOKEN";

/// The secrets that the environment held when the program started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    /// The API key, unchecked: each call reports a malformed key.
    pub(crate) api_key: Option<SecretString>,
    /// The keys to use if Scope3 rejects the first, in order.
    pub(crate) backup_api_keys: Vec<ApiKey>,
    /// The issue date of the API key.
    pub(crate) api_key_issued: Option<Date>,
    /// The token that clients of `http --auth token` must send.
    pub(crate) mcp_token: Option<SecretString>,
}

impl Secrets {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a backup key or a date is malformed, or a variable is not UTF-8.
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
            ApiKey::configured(&part.into()).map_err(|why| {
                ConfigError::value(BACKUP_API_KEYS, format!("key {} is malformed: {why}", at + 1))
            })
        })
        .collect()
}

fn date(text: &str) -> Result<Date, ConfigError> {
    text.parse().map_err(|_| ConfigError::value(API_KEY_ISSUED, "expected a date such as 2026-01-31"))
}
