//! The rules by which a change is sent, joined or held back. They are the same for every kind of state.

use std::time::Duration;

use jiff::Timestamp;

use super::{Digest, Entry, EntryId, EntryState, Intent, InvalidConfirmation, Purpose};

/// What the state holds about an intent.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest entry to which the caller gave the same key.
    pub(crate) with_caller_key: Option<Entry>,
    /// The newest entry of the same key, tool and arguments that was not refused.
    pub(crate) same: Option<Entry>,
    /// Why the caller's confirmation cannot be used.
    pub(crate) invalid: Option<InvalidConfirmation>,
}

/// A confirmation that was issued.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The id of its key in the state.
    pub(crate) key: Vec<u8>,
    pub(crate) tool: String,
    pub(crate) digest: Digest,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_used: bool,
}

impl Issued {
    /// Why it does not confirm the intent of a caller with these keys at `now`, if it does not.
    pub(crate) fn refuse(
        &self,
        keys: &[Vec<u8>],
        intent: &Intent,
        now: Timestamp,
    ) -> Option<InvalidConfirmation> {
        if !keys.contains(&self.key) {
            Some(InvalidConfirmation::OtherKey)
        } else if self.tool != intent.tool {
            Some(InvalidConfirmation::OtherTool)
        } else if self.digest != intent.digest {
            Some(InvalidConfirmation::OtherArguments)
        } else if self.is_used {
            Some(InvalidConfirmation::Used)
        } else if self.expires_at <= now {
            Some(InvalidConfirmation::Expired)
        } else {
            None
        }
    }
}

/// What happens to an intent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is sent. `again` is the entry whose API idempotency key is sent again.
    Send { again: Option<EntryId> },
    /// It waits for the same change.
    Join(EntryId),
    /// It needs a confirmation for this purpose, because of this entry.
    Confirm(Purpose, EntryId),
    /// The caller's key names another change.
    KeyReused(EntryId),
    /// The caller's confirmation cannot be used.
    Invalid(InvalidConfirmation),
}

/// Decides what happens to an intent at `now`.
pub(crate) fn decide(intent: &Intent, found: &Found, now: Timestamp) -> Decision {
    let named = found.with_caller_key.as_ref();
    if let Some(entry) = named
        && entry.digest != intent.digest
    {
        return Decision::KeyReused(entry.id);
    }
    let same = found.same.as_ref();
    let is_ours = |entry: &&Entry| intent.caller_key.is_none() || intent.caller_key == entry.caller_key;
    let mut open = named.into_iter().chain(same.filter(is_ours)).filter(|entry| entry.state.is_open());
    if let Some(entry) = open.next() {
        return Decision::Join(entry.id);
    }
    if intent.confirmation.is_some() {
        let again = same.filter(|entry| entry.state == EntryState::Unknown).map(|entry| entry.id);
        return found.invalid.map_or(Decision::Send { again }, Decision::Invalid);
    }
    // The outcome of an entry that the caller awaited or named is the answer, even if the change could be made again.
    let awaited = named.into_iter().chain(same).find(|entry| intent.joined == Some(entry.id));
    let answer = awaited.or(named).filter(|entry| entry.state != EntryState::Refused);
    match answer.or(same) {
        Some(entry) if entry.state == EntryState::Unknown => Decision::Confirm(Purpose::Unknown, entry.id),
        Some(entry) if answer.is_some() || is_guarded(intent, entry, now) => {
            Decision::Confirm(Purpose::Repeat, entry.id)
        }
        _ => Decision::Send { again: None },
    }
}

/// Whether the same change succeeded so recently that an identical call is probably a repetition.
fn is_guarded(intent: &Intent, entry: &Entry, now: Timestamp) -> bool {
    // A caller that names its changes says itself which are the same.
    !intent.idempotent && intent.caller_key.is_none() && age(entry, now) < intent.repeat_guard
}

fn age(entry: &Entry, now: Timestamp) -> Duration {
    // A time in the future counts as now: the clock may have been set back.
    now.duration_since(entry.since).try_into().unwrap_or_default()
}
