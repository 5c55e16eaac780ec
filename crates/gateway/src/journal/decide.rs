//! The rules by which a change is sent, joined or held back. They are the same for every kind of state.

use std::time::Duration;

use jiff::Timestamp;

use super::{Asked, Consent, Digest, Entry, EntryId, EntryState, Intent, InvalidConfirmation, Purpose};

/// What the state holds about an intent.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest entry to which the caller gave the same key.
    pub(crate) with_caller_key: Option<Entry>,
    /// The newest entry of the same key, tool and arguments that was not refused.
    pub(crate) same: Option<Entry>,
    /// What the caller's confirmation confirms, or why it cannot be used.
    pub(crate) confirmation: Option<Result<Purpose, InvalidConfirmation>>,
    /// Why the code of the person's answer cannot be used.
    pub(crate) invalid_reply: Option<InvalidConfirmation>,
    /// What the spender has committed since the day began, in hundredths.
    pub(crate) committed: i64,
}

/// A confirmation that was issued.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The id of its key in the state.
    pub(crate) key: Vec<u8>,
    pub(crate) tool: String,
    pub(crate) digest: Digest,
    pub(crate) purpose: Purpose,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_used: bool,
}

impl Issued {
    /// What a confirmation in the arguments confirms.
    ///
    /// # Errors
    /// If it cannot be used. The code of a question is none: only the client has it, and a model must not use it.
    pub(crate) fn confirms(
        &self,
        keys: &[Vec<u8>],
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Purpose, InvalidConfirmation> {
        if self.purpose == Purpose::Reply {
            return Err(InvalidConfirmation::NotIssued);
        }
        self.refuse(keys, intent, now).map_or(Ok(self.purpose), Err)
    }

    /// Why the code does not stand for the question about an intent, if it does not.
    pub(crate) fn refuse_reply(
        &self,
        keys: &[Vec<u8>],
        intent: &Intent,
        now: Timestamp,
    ) -> Option<InvalidConfirmation> {
        if self.purpose != Purpose::Reply {
            return Some(InvalidConfirmation::NotIssued);
        }
        self.refuse(keys, intent, now)
    }

    /// Why it does not confirm the intent of a caller with these keys at `now`, if it does not.
    fn refuse(&self, keys: &[Vec<u8>], intent: &Intent, now: Timestamp) -> Option<InvalidConfirmation> {
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
    /// It needs a confirmation for this purpose, because Scope3 changed its description of the operation.
    Reworded(Purpose),
    /// The caller's key names another change.
    KeyReused(EntryId),
    /// The caller's confirmation cannot be used.
    Invalid(InvalidConfirmation),
    /// It would exceed the cap of the day.
    OverCap,
    /// A person has to consent first. The code is for this purpose, if there is one.
    Ask(Option<Purpose>),
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
    let confirmed = match found.confirmation {
        Some(Err(invalid)) => return Decision::Invalid(invalid),
        Some(Ok(purpose)) => Some(purpose),
        None => None,
    };
    if let Some(invalid) = found.invalid_reply {
        return Decision::Invalid(invalid);
    }
    let is_confirmed = matches!(confirmed, Some(Purpose::Unknown | Purpose::Repeat | Purpose::AgainReworded));
    if !is_confirmed && let Some((purpose, id)) = held_back(intent, named, same, now) {
        return Decision::Confirm(purpose, id);
    }
    if let (Some(cap), Some(commitment)) = (&intent.day_cap, &intent.commitment)
        && !cap.has_room(found.committed, commitment)
    {
        return Decision::OverCap;
    }
    if intent.is_reworded && !matches!(confirmed, Some(Purpose::Reworded | Purpose::AgainReworded)) {
        // A call has one code, so this one also confirms what the last one did.
        return Decision::Reworded(if is_confirmed { Purpose::AgainReworded } else { Purpose::Reworded });
    }
    match intent.consent {
        Consent::Needed(Asked::Now) => Decision::Ask(None),
        Consent::Needed(Asked::BetweenCalls) => Decision::Ask(Some(Purpose::Reply)),
        Consent::Needed(Asked::ByAgent) if confirmed.is_none() => Decision::Ask(Some(Purpose::Consent)),
        Consent::Needed(Asked::ByAgent) | Consent::NotNeeded | Consent::Given | Consent::Replied(_) => {
            let unknown = same.filter(|entry| is_confirmed && entry.state == EntryState::Unknown);
            Decision::Send { again: unknown.map(|entry| entry.id) }
        }
    }
}

/// What a caller has to confirm because of an earlier entry.
fn held_back(
    intent: &Intent,
    named: Option<&Entry>,
    same: Option<&Entry>,
    now: Timestamp,
) -> Option<(Purpose, EntryId)> {
    // The outcome of an entry that the caller awaited or named is the answer, even if the change could be made again.
    let awaited = named.into_iter().chain(same).find(|entry| intent.joined == Some(entry.id));
    let answer = awaited.or(named).filter(|entry| entry.state != EntryState::Refused);
    match answer.or(same) {
        Some(entry) if entry.state == EntryState::Unknown => Some((Purpose::Unknown, entry.id)),
        Some(entry) if answer.is_some() || is_guarded(intent, entry, now) => {
            Some((Purpose::Repeat, entry.id))
        }
        _ => None,
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
