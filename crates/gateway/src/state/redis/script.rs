//! The scripts that the server carries out. Each is one atomic operation.

use std::sync::LazyLock;

use redis::Script;

/// Declares scripts that begin with the prelude and perhaps with what the journal's scripts share.
macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/prelude.lua"), $("\n", include_str!(concat!("scripts/", $file))),+))
        });)+
    };
}

/// Creates the installation. The only script without the prelude.
pub(super) static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/open.lua")));

scripts! {
    ADOPT = "adopt.lua";
    BEAT = "journal.lua" "beat.lua";
    ACQUIRE = "acquire.lua";
    USED = "used.lua";
    COOL_DOWN = "cool_down.lua";
    LOOK = "journal.lua" "look.lua";
    INSERT = "journal.lua" "insert.lua";
    CONFIRM = "journal.lua" "confirm.lua";
    REVOKE = "revoke.lua";
    COMMITTED = "journal.lua" "committed.lua";
    END = "journal.lua" "end.lua";
    ENTRY = "journal.lua" "entry.lua";
    ENTRIES = "journal.lua" "entries.lua";
    SETTLE = "journal.lua" "settle.lua";
    COUNT = "count.lua";
    COUNTS = "counts.lua";
    ACCEPT_LOSS = "accept_loss.lua";
}
