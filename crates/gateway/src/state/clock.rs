//! The time in a state: it never goes back, and a change of the system's clock does not move it.
//!
//! Within one boot of the machine, the time since the boot counts, which nobody sets. Across boots, the system's clock
//! counts, but never less than the latest time in the file.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The machine's clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// The id of the machine's current boot, if it has one.
    pub(super) boot: Option<String>,
    /// The time since the boot, sleep included, or since the start of this process where there is no boot.
    pub(super) uptime: Duration,
    /// The time since the Unix epoch, by the system's clock.
    pub(super) wall: Duration,
}

/// A source of readings.
#[derive(Clone)]
pub(super) struct Clock(Arc<dyn Fn() -> Reading + Send + Sync>);

impl Clock {
    pub(super) fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The machine's clocks.
    pub(super) fn system() -> Self {
        let boot = boot_id();
        Self::new(move || Reading {
            boot: boot.clone(),
            uptime: uptime(),
            wall: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
        })
    }

    pub(super) fn read(&self) -> Reading {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

/// The latest moment that a state has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    pub(super) boot: Option<String>,
    pub(super) uptime: Duration,
    /// The state's time at that moment.
    pub(super) time: Duration,
}

impl Seen {
    /// The state's time at a reading.
    pub(super) fn time_at(&self, reading: &Reading) -> Duration {
        match reading.uptime.checked_sub(self.uptime) {
            Some(since) if reading.boot.is_some() && reading.boot == self.boot => self.time + since,
            _ => reading.wall.max(self.time),
        }
    }
}

#[cfg(target_os = "linux")]
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn boot_id() -> Option<String> {
    None
}

#[cfg(not(target_os = "linux"))]
fn uptime() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// Microseconds. Durations of more than 100,000 years are cut.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
