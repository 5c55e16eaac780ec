//! Time as the sandbox tells it: it begins at a fixed instant and goes on by a second with each change, so that
//! newest-first is an order and every answer can be repeated.

use std::fmt;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{Serialize, Serializer};

/// An instant as Scope3 writes it: UTC, with milliseconds, such as `2026-06-15T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

/// Noon of 15 June 2026, when every sandbox begins.
const START_MS: i64 = 1_781_524_800_000;

impl Moment {
    /// What callers write as a date or an instant: `2026-01-31`, `2026-01-31T08:00:00` (UTC),
    /// `2026-01-31T08:00:00+02:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let civil = || TimeZone::UTC.to_timestamp(text.parse().ok()?).ok();
        text.parse::<Timestamp>().ok().or_else(civil).map(Self)
    }

    /// The day it falls on.
    pub(crate) fn date(self) -> Date {
        TimeZone::UTC.to_datetime(self.0).date()
    }

    /// Milliseconds since 1970, as in Scope3's ids.
    pub(crate) fn as_millisecond(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The moment so many hours later.
    pub(crate) fn plus_hours(self, hours: i64) -> Self {
        Self(self.0.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(self.0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The clock of one customer's account.
#[derive(Debug)]
pub(crate) struct Clock(Moment);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Moment(Timestamp::from_millisecond(START_MS).unwrap_or_default()))
    }

    /// The time for answers that change nothing.
    pub(crate) fn now(&self) -> Moment {
        self.0
    }

    /// The time of a change, a second after the one before.
    pub(crate) fn tick(&mut self) -> Moment {
        self.0 = Moment(self.0.0.saturating_add(SignedDuration::from_secs(1)).unwrap_or(self.0.0));
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_noon_and_goes_on_with_changes() {
        let mut clock = Clock::new();
        assert_eq!(clock.now().to_string(), "2026-06-15T12:00:00.000Z");
        assert_eq!(clock.tick().to_string(), "2026-06-15T12:00:01.000Z");
        assert_eq!(clock.now().to_string(), "2026-06-15T12:00:01.000Z");
    }

    #[test]
    fn reads_what_callers_write() {
        let read = |text| Moment::parse(text).map(|moment| moment.to_string());
        assert_eq!(read("2026-01-31").as_deref(), Some("2026-01-31T00:00:00.000Z"));
        assert_eq!(read("2026-01-31T08:00:00").as_deref(), Some("2026-01-31T08:00:00.000Z"));
        assert_eq!(read("2026-01-31T08:00:00+02:00").as_deref(), Some("2026-01-31T06:00:00.000Z"));
        assert_eq!(read("soon"), None);
    }
}
