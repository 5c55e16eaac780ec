//! How long a response from Scope3 asks the client to wait. Scope3 states this in several headers and members.
//!
//! Waits are clamped here, where they are parsed, so that delays, results and stored limits all use the same value.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The longest wait. No limit of Scope3 has a longer window.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// The shortest wait.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// The wait after too many requests if Scope3 does not say how long to wait.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_mins(1);

/// What the headers of a response say about waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// From `Retry-After` and `RateLimit-Reset`, in seconds.
    seconds: Option<Duration>,
    /// From `Retry-After` as a date.
    date: Option<Timestamp>,
    /// When Scope3 sent the response, by Scope3's clock, which its other dates use, too. Without a `Date` header, when it
    /// arrived.
    sent_at: Timestamp,
    /// Whether the response used up a limit.
    is_exhausted: bool,
}

impl Waits {
    /// Parses the headers of a response that arrived at `arrived`.
    pub(super) fn of(headers: &HeaderMap, arrived: Timestamp) -> Self {
        let reset = seconds(headers, "ratelimit-reset");
        Self {
            seconds: seconds(headers, "retry-after").max(reset),
            date: date(headers, header::RETRY_AFTER.as_str()),
            sent_at: date(headers, header::DATE.as_str()).unwrap_or(arrived),
            is_exhausted: reset.is_some() && text(headers, "ratelimit-remaining") == Some("0"),
        }
    }

    /// The wait that a response asks for. Seconds take precedence over dates, which depend on clocks. Of two values of
    /// the same kind, the longer one counts.
    pub(super) fn requested(&self, body: Option<&Map<String, Value>>) -> Option<Duration> {
        let reset_time = body.and_then(reset_time);
        let until = self.date.max(reset_time);
        let until_then =
            until.map(|at| Duration::try_from(at.duration_since(self.sent_at)).unwrap_or_default());
        self.seconds.or(until_then).map(|wait| wait.clamp(MIN_WAIT, MAX_WAIT))
    }

    /// The wait after a response that used up a limit.
    pub(super) fn until_reset(&self) -> Option<Duration> {
        self.seconds.filter(|_| self.is_exhausted).map(|wait| wait.clamp(MIN_WAIT, MAX_WAIT))
    }
}

/// v1's `resetTime`, either next to the error or inside `error` or `details`.
fn reset_time(body: &Map<String, Value>) -> Option<Timestamp> {
    let inner = |name: &str| body.get(name).and_then(|value| value.get("resetTime"));
    let sent = body.get("resetTime").or_else(|| inner("error")).or_else(|| inner("details"))?;
    sent.as_str()?.trim().parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok().map(str::trim)
}

/// A number of seconds, at most [`MAX_WAIT`].
fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let text = text(headers, name)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Round up, so that the next request is never early.
    let round_up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    let seconds = whole.parse().unwrap_or(u64::MAX).saturating_add(round_up);
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

fn date(headers: &HeaderMap, name: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text(headers, name)?).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARRIVED: &str = "2024-01-15T10:00:00Z";

    fn waits(headers: &[(&'static str, &str)]) -> Waits {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Waits::of(&map, ARRIVED.parse().unwrap())
    }

    fn asked(headers: &[(&'static str, &str)], body: &Value) -> Option<u64> {
        waits(headers).requested(body.as_object()).map(|wait| wait.as_secs())
    }

    #[test]
    fn every_form_of_a_wait_is_parsed() {
        let none = json!({});
        let half_past = json!({ "resetTime": "2024-01-15T10:30:00Z" });
        for (headers, body, expected) in [
            (&[][..], &none, None),
            (&[("retry-after", "7")], &none, Some(7)),
            (&[("retry-after", " 7 ")], &none, Some(7)),
            (&[("retry-after", "1.5")], &none, Some(2)),
            (&[("retry-after", "2.0")], &none, Some(2)),
            (&[("retry-after", "1.x")], &none, None),
            (&[("retry-after", "0")], &none, Some(1)),
            (&[("retry-after", "-5")], &none, None),
            (&[("retry-after", "soon")], &none, None),
            (&[("ratelimit-reset", "9")], &none, Some(9)),
            (&[("retry-after", "7"), ("ratelimit-reset", "9")], &none, Some(9)),
            (&[("retry-after", "18446744073709551615")], &none, Some(3600)),
            (&[("retry-after", "99999999999999999999999999")], &none, Some(3600)),
            (&[("retry-after", "Mon, 15 Jan 2024 10:02:00 GMT")], &none, Some(120)),
            (&[("retry-after", "Mon, 15 Jan 2024 09:00:00 GMT")], &none, Some(1)),
            (&[], &half_past, Some(1800)),
            (&[], &json!({ "error": { "resetTime": "2024-01-15T10:00:30Z" } }), Some(30)),
            (&[], &json!({ "resetTime": "2999-12-31T00:00:00Z" }), Some(3600)),
            // Later than the latest supported time.
            (&[], &json!({ "resetTime": "9999-12-31T00:00:00Z" }), None),
            (&[], &json!({ "resetTime": "tomorrow" }), None),
            (&[], &json!({ "resetTime": 5 }), None),
            // Our clock is five minutes ahead, so the date is in the past; the seconds are not affected.
            (&[("retry-after", "60")], &json!({ "resetTime": "2024-01-15T09:55:00Z" }), Some(60)),
            // Scope3's clock is an hour behind ours, as the `Date` header shows.
            (
                &[
                    ("date", "Mon, 15 Jan 2024 09:00:00 GMT"),
                    ("retry-after", "Mon, 15 Jan 2024 09:05:00 GMT"),
                ],
                &none,
                Some(300),
            ),
            (
                &[("date", "Mon, 15 Jan 2024 09:00:00 GMT")],
                &json!({ "resetTime": "2024-01-15T09:10:00Z" }),
                Some(600),
            ),
            (&[("retry-after", "Mon, 15 Jan 2024 10:02:00 GMT")], &half_past, Some(1800)),
        ] {
            assert_eq!(asked(headers, body), expected, "{headers:?} {body}");
        }
    }

    #[test]
    fn a_used_up_limit_requires_a_pause_and_a_remaining_request_does_not() {
        let last = [("ratelimit-remaining", "0"), ("ratelimit-reset", "30")];
        assert_eq!(waits(&last).until_reset(), Some(Duration::from_secs(30)));
        let more = [("ratelimit-remaining", "1"), ("ratelimit-reset", "30")];
        assert_eq!(waits(&more).until_reset(), None);
        assert_eq!(waits(&[("ratelimit-remaining", "0")]).until_reset(), None);
    }
}
