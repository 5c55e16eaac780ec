//! The URL of a Redis server. It may hold a password, so it is never printed as a whole.

use std::{fmt, str::FromStr};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// The forms that are accepted.
const EXPECTED: &str =
    "expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or the same with rediss:// for TLS";

/// The URL of a Redis server: `redis://…`, or `rediss://…` for TLS. [`Display`](fmt::Display) and [`Debug`](fmt::Debug)
/// show its scheme, host, port and database only.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    shown: String,
}

/// The text is not the URL of a Redis server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{EXPECTED}")]
pub struct InvalidRedisUrl;

impl RedisUrl {
    /// What the client needs to connect.
    pub(super) fn connection_info(&self) -> redis::RedisResult<ConnectionInfo> {
        self.text.as_str().into_connection_info()
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        // A fragment turns the check of certificates off.
        let is_supported =
            (text.starts_with("redis://") || text.starts_with("rediss://")) && !text.contains('#');
        let info = Some(text).filter(|_| is_supported).and_then(|text| text.into_connection_info().ok());
        let info = info.ok_or(InvalidRedisUrl)?;
        let database = info.redis_settings().db();
        let (scheme, host, port) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => ("redis", host, port),
            ConnectionAddr::TcpTls { host, port, .. } => ("rediss", host, port),
            _ => return Err(InvalidRedisUrl),
        };
        if database < 0 {
            return Err(InvalidRedisUrl);
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let shown = format!("{scheme}://{host}:{port}/{database}");
        Ok(Self { text: text.to_owned(), shown })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_user_and_password() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://:secret@10.0.0.1:7000/3", "redis://10.0.0.1:7000/3"),
            ("rediss://me:secret@cache.example.com", "rediss://cache.example.com:6379/0"),
            ("redis://[::1]:7000", "redis://[::1]:7000/0"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(
                (url.to_string(), format!("{url:?}")),
                (shown.to_owned(), format!("RedisUrl({shown})"))
            );
        }
    }

    #[test]
    fn other_urls_are_refused_without_a_repetition() {
        for text in [
            "redis://",
            "redis://:secret@host:port",
            "redis://:secret@host/first",
            "redis://:secret@host/-1",
            "rediss://:secret@host/#insecure",
            "unix:///run/redis.sock",
            "https://:secret@host",
        ] {
            let error = text.parse::<RedisUrl>().unwrap_err().to_string();
            assert!(error.starts_with("expected redis://") && !error.contains("secret"), "{text}: {error}");
        }
    }
}
