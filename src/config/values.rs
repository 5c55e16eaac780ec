//! Parsers for values that need more than the parser of their type.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use url::Url;

/// Parses a duration such as `20s`, `200ms` or `2m`.
///
/// # Errors
/// If the text is not a duration, or the duration is negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration such as `20s`, `200ms` or `2m`".to_owned();
    let parsed: SignedDuration = text.parse().map_err(|_| expected())?;
    Duration::try_from(parsed).map_err(|_| expected())
}

/// Parses a period such as `7d`, `12h` or `90m`. A day has 24 hours.
///
/// # Errors
/// If the text is not a period, or a negative one.
pub fn parse_period(text: &str) -> Result<Duration, String> {
    let expected = || "expected a period such as `7d`, `12h` or `90m`".to_owned();
    let span: Span = text.parse().map_err(|_| expected())?;
    let period = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
    Duration::try_from(period).map_err(|_| expected())
}

/// The minimum idle time of a session: a session must survive the gap between two requests.
const MIN_IDLE_TIME: Duration = Duration::from_millis(100);

/// Parses the idle time of a session.
pub(super) fn parse_idle_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < MIN_IDLE_TIME { Err("expected at least `100ms`, such as `30m`".to_owned()) } else { Ok(time) }
}

/// Parses the URL at which clients reach a server behind a proxy.
pub(super) fn parse_public_url(text: &str) -> Result<Url, String> {
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

/// Parses an address to listen on. Errors for common mistakes suggest an address.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let host = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let port = text.trim_start_matches(':').parse::<u16>();
    let named = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
    Err(match (host, port, named) {
        (Ok(host), _, _) => {
            format!("expected an address with a port, such as `{}`", SocketAddr::new(host, 8080))
        }
        (_, Ok(port), _) => {
            format!(
                "expected an address with a port, such as `127.0.0.1:{port}` (this machine) or `0.0.0.0:{port}`"
            )
        }
        (.., Some(port)) => {
            format!("expected an IP address with a port, such as `127.0.0.1:{port}` or `[::1]:{port}`")
        }
        _ => "expected an IP address with a port, such as `127.0.0.1:8080` or `[::1]:8080`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_are_not_negative() {
        for (text, millis) in
            [("20s", 20_000), ("200ms", 200), ("2m", 120_000), ("0s", 0), ("1h30m", 5_400_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "20", "-1s", "soon", "1 fortnight"] {
            assert!(parse_duration(text).unwrap_err().contains("`20s`"), "{text}");
        }
    }

    #[test]
    fn an_invalid_address_is_rejected_with_a_valid_example() {
        assert_eq!(parse_address("0.0.0.0:80").unwrap().port(), 80);
        for (text, example) in [
            ("0.0.0.0", "`0.0.0.0:8080`"),
            ("::", "`[::]:8080`"),
            ("[::1]", "`[::1]:8080`"),
            ("9000", "`127.0.0.1:9000`"),
            (":9000", "`0.0.0.0:9000`"),
            ("localhost:9000", "`127.0.0.1:9000`"),
            ("example.com", "`127.0.0.1:8080`"),
            ("0.0.0.0:99999", "`127.0.0.1:8080`"),
        ] {
            let error = parse_address(text).unwrap_err();
            assert!(error.contains(example), "{text}: {error}");
        }
    }
}
