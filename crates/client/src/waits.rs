//! How long Scope3 wants us to wait, from the several ways in which it says so.
//!
//! Times are clamped here, where they are read: what waits, what is answered and what is remembered use one figure.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// No limit of Scope3 has a longer span, so no wait is longer.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// Whoever is told to wait waits at least this long.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// A wait where Scope3 says that there were too many requests, but not until when.
pub(super) const UNKNOWN_WAIT: Duration = Duration::from_mins(1);

/// What the headers of an answer say about waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// From `Retry-After` and `RateLimit-Reset`, in seconds.
    seconds: Option<Duration>,
    /// From `Retry-After` as a date.
    date: Option<Timestamp>,
    /// The time at which Scope3 wrote the answer, by its own clock. Its dates are meant by that clock.
    now: Timestamp,
    /// Whether nothing is left of a limit.
    nothing_left: bool,
}

impl Waits {
    /// Reads the headers of an answer that arrived at `arrived`.
    pub(super) fn of(headers: &HeaderMap, arrived: Timestamp) -> Self {
        let reset = seconds(headers, "ratelimit-reset");
        Self {
            seconds: seconds(headers, "retry-after").max(reset),
            date: date(headers, header::RETRY_AFTER.as_str()),
            now: date(headers, header::DATE.as_str()).unwrap_or(arrived),
            nothing_left: reset.is_some() && text(headers, "ratelimit-remaining") == Some("0"),
        }
    }

    /// The wait that an answer asks for: seconds before times, which depend on clocks; the longer of two of a kind.
    pub(super) fn asked(&self, body: Option<&Map<String, Value>>) -> Option<Duration> {
        let reset_time = body.and_then(reset_time);
        let until = self.date.max(reset_time);
        let span = until.map(|at| Duration::try_from(at.duration_since(self.now)).unwrap_or_default());
        self.seconds.or(span).map(|wait| wait.clamp(MIN_WAIT, MAX_WAIT))
    }

    /// The wait after an answer that used up a limit.
    pub(super) fn after_the_last(&self) -> Option<Duration> {
        self.seconds.filter(|_| self.nothing_left).map(|wait| wait.clamp(MIN_WAIT, MAX_WAIT))
    }
}

/// v1's `resetTime`, beside the error or within its details.
fn reset_time(body: &Map<String, Value>) -> Option<Timestamp> {
    let inner = |name: &str| body.get(name).and_then(|value| value.get("resetTime"));
    let sent = body.get("resetTime").or_else(|| inner("error")).or_else(|| inner("details"))?;
    sent.as_str()?.trim().parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok().map(str::trim)
}

/// A number of seconds. One too large for its type is the longest wait there is.
fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let text = text(headers, name)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Rounded up, so that whoever waits as told is not early.
    let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    let seconds = whole.parse().unwrap_or(u64::MAX).saturating_add(more);
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
        waits(headers).asked(body.as_object()).map(|wait| wait.as_secs())
    }

    #[test]
    fn every_form_of_a_wait_is_understood() {
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
            // Beyond what a time can be here.
            (&[], &json!({ "resetTime": "9999-12-31T00:00:00Z" }), None),
            (&[], &json!({ "resetTime": "tomorrow" }), None),
            (&[], &json!({ "resetTime": 5 }), None),
            // A clock that is five minutes ahead of theirs says that the time is past; the seconds do not.
            (&[("retry-after", "60")], &json!({ "resetTime": "2024-01-15T09:55:00Z" }), Some(60)),
            // A clock an hour behind, which the answer's own date shows.
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
    fn nothing_left_asks_for_a_pause_and_something_left_does_not() {
        let last = [("ratelimit-remaining", "0"), ("ratelimit-reset", "30")];
        assert_eq!(waits(&last).after_the_last(), Some(Duration::from_secs(30)));
        let more = [("ratelimit-remaining", "1"), ("ratelimit-reset", "30")];
        assert_eq!(waits(&more).after_the_last(), None);
        assert_eq!(waits(&[("ratelimit-remaining", "0")]).after_the_last(), None);
    }
}
