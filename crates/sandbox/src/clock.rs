//! The clock of a sandbox. It shows the system time, or a fixed time so that responses are reproducible. Each change
//! has a different time, so that newest-first is a total order.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp, civil::Date, fmt::rfc2822::DateTimePrinter, tz::TimeZone};
use serde::{Serialize, Serializer};

/// An instant in Scope3's format: UTC with milliseconds, such as `2026-06-15T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    /// The beginning of 1970.
    pub(crate) const EPOCH: Self = Self(Timestamp::UNIX_EPOCH);

    /// Parses a date or an instant: `2026-01-31`, `2026-01-31T08:00:00` (UTC) or `2026-01-31T08:00:00+02:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let civil = || TimeZone::UTC.to_timestamp(text.parse().ok()?).ok();
        text.parse::<Timestamp>().ok().or_else(civil).map(Self)
    }

    /// The date in UTC.
    pub(crate) fn date(self) -> Date {
        TimeZone::UTC.to_datetime(self.0).date()
    }

    /// Milliseconds since 1970, as in Scope3's ids.
    pub(crate) fn as_millisecond(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The moment this many hours later.
    pub(crate) fn plus_hours(self, hours: i64) -> Self {
        self.plus(SignedDuration::from_hours(hours))
    }

    /// The moment this much later, or the same moment if the result is out of range.
    pub(crate) fn plus(self, span: SignedDuration) -> Self {
        Self(self.0.saturating_add(span).unwrap_or(self.0))
    }

    /// The moment in the format of the HTTP header `Date`.
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

/// The clock. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    is_fixed: bool,
    started: Moment,
    /// The time of the last change, in milliseconds since 1970.
    last: Arc<AtomicI64>,
}

impl Clock {
    /// Creates a clock. With `now`, its time is fixed and advances by one second with each change; otherwise it shows
    /// the system time.
    pub(crate) fn new(now: Option<Timestamp>) -> Self {
        let started = now.unwrap_or_else(Timestamp::now).as_millisecond();
        Self {
            is_fixed: now.is_some(),
            started: Moment::from_millisecond(started),
            last: Arc::new(AtomicI64::new(started)),
        }
    }

    /// The current time.
    pub(crate) fn now(&self) -> Moment {
        let last = self.last.load(Ordering::Relaxed);
        Moment::from_millisecond(if self.is_fixed { last } else { last.max(system_milliseconds()) })
    }

    /// The time of a new change. It is later than the time of every earlier change.
    pub(crate) fn tick(&self) -> Moment {
        let mut now = 0;
        let _ = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            now = if self.is_fixed { last + 1000 } else { system_milliseconds().max(last + 1) };
            Some(now)
        });
        Moment::from_millisecond(now)
    }

    /// Midnight of the day this many days after the start of the clock.
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

    /// A clock that is fixed at noon on 15 June 2026.
    pub(crate) fn june() -> Clock {
        Clock::new(Some("2026-06-15T12:00:00Z".parse().unwrap()))
    }

    #[test]
    fn a_fixed_clock_advances_only_with_changes() {
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
    fn a_system_clock_never_repeats_the_time_of_a_change() {
        let clock = Clock::new(None);
        let before = Timestamp::now();
        let changes: Vec<Moment> = (0..100).map(|_| clock.tick()).collect();
        assert!(changes.is_sorted_by(|a, b| a < b));
        assert!(clock.now() >= changes[99]);
        let ahead = clock.now().0.duration_since(before).as_secs();
        assert!((-1..5).contains(&ahead), "{ahead}");
    }

    #[test]
    fn dates_and_instants_are_parsed() {
        let read = |text| Moment::parse(text).map(|moment| moment.to_string());
        assert_eq!(read("2026-01-31").as_deref(), Some("2026-01-31T00:00:00.000Z"));
        assert_eq!(read("2026-01-31T08:00:00").as_deref(), Some("2026-01-31T08:00:00.000Z"));
        assert_eq!(read("2026-01-31T08:00:00+02:00").as_deref(), Some("2026-01-31T06:00:00.000Z"));
        assert_eq!(read("soon"), None);
    }
}
