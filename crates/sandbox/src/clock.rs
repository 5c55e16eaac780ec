//! The one clock of a sandbox. It tells the true time, or stands at an instant to which it was set, so that every
//! answer can be repeated. Each change has a time of its own, so that newest-first is an order.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp, civil::Date, fmt::rfc2822::DateTimePrinter, tz::TimeZone};
use serde::{Serialize, Serializer};

/// An instant as Scope3 writes it: UTC, with milliseconds, such as `2026-06-15T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

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
        self.plus(SignedDuration::from_hours(hours))
    }

    /// The moment so much later, or the last one that can be written.
    pub(crate) fn plus(self, span: SignedDuration) -> Self {
        Self(self.0.saturating_add(span).unwrap_or(self.0))
    }

    /// As the HTTP header `Date` has it.
    pub(crate) fn http_date(self) -> Option<String> {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.0).ok()
    }

    fn from_millisecond(milliseconds: i64) -> Self {
        Self(Timestamp::from_millisecond(milliseconds).unwrap_or_default())
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

/// The clock. Copies tell the same time.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    is_fixed: bool,
    started: Moment,
    /// The time of the last change, in milliseconds since 1970.
    last: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that tells the true time, or one that stands at `now` and goes on by a second with each change.
    pub(crate) fn new(now: Option<Timestamp>) -> Self {
        let started = now.unwrap_or_else(Timestamp::now).as_millisecond();
        Self {
            is_fixed: now.is_some(),
            started: Moment::from_millisecond(started),
            last: Arc::new(AtomicI64::new(started)),
        }
    }

    /// The time for answers that change nothing.
    pub(crate) fn now(&self) -> Moment {
        let last = self.last.load(Ordering::Relaxed);
        Moment::from_millisecond(if self.is_fixed { last } else { last.max(system_milliseconds()) })
    }

    /// The time of a change, later than that of any before.
    pub(crate) fn tick(&self) -> Moment {
        let mut now = 0;
        let _ = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            now = if self.is_fixed { last + 1000 } else { system_milliseconds().max(last + 1) };
            Some(now)
        });
        Moment::from_millisecond(now)
    }

    /// Midnight of the day that is so many days after the one on which the clock was started.
    pub(crate) fn day(&self, days: i64) -> Moment {
        let midnight = TimeZone::UTC.to_timestamp(self.started.date().to_datetime(jiff::civil::Time::MIN));
        midnight.map_or(self.started, Moment).plus_hours(24 * days)
    }
}

fn system_milliseconds() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A clock that stands at noon of 15 June 2026.
    pub(crate) fn june() -> Clock {
        Clock::new(Some("2026-06-15T12:00:00Z".parse().unwrap()))
    }

    #[test]
    fn stands_where_it_was_set_and_goes_on_with_changes() {
        let clock = june();
        let copy = clock.clone();
        assert_eq!(clock.now().to_string(), "2026-06-15T12:00:00.000Z");
        assert_eq!(clock.tick().to_string(), "2026-06-15T12:00:01.000Z");
        assert_eq!(copy.now().to_string(), "2026-06-15T12:00:01.000Z");
        assert_eq!(copy.now().http_date().as_deref(), Some("Mon, 15 Jun 2026 12:00:01 GMT"));
        assert_eq!(clock.day(0).to_string(), "2026-06-15T00:00:00.000Z");
        assert_eq!(clock.day(-106).to_string(), "2026-03-01T00:00:00.000Z");
    }

    #[test]
    fn tells_the_true_time_and_no_time_twice() {
        let clock = Clock::new(None);
        let before = Timestamp::now();
        let changes: Vec<Moment> = (0..100).map(|_| clock.tick()).collect();
        assert!(changes.is_sorted_by(|a, b| a < b));
        assert!(clock.now() >= changes[99]);
        let ahead = clock.now().0.duration_since(before).as_secs();
        assert!((-1..5).contains(&ahead), "{ahead}");
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
