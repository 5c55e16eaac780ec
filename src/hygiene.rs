//! What the process does so that the operating system does not write its memory to a disk.

/// Turns off core dumps: they contain the keys. Also, no other program of the same user can then read the memory of this
/// one. A debug build can be debugged, so it only has the limit.
#[cfg(unix)]
pub(crate) fn forbid_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let limited = limited.and_then(|()| {
        // The limit does not count if a program receives the dumps, as systemd-coredump does.
        if cfg!(debug_assertions) { Ok(()) } else { not_dumpable() }
    });
    if let Err(error) = limited {
        tracing::warn!(%error, "cannot turn off core dumps");
    }
}

/// Nothing to turn off.
#[cfg(not(unix))]
pub(crate) fn forbid_dumps() {}

#[cfg(target_os = "linux")]
fn not_dumpable() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn the_process_leaves_no_core_dump() {
        super::forbid_dumps();
        super::not_dumpable().unwrap();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
