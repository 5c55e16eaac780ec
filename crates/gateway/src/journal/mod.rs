//! The journal of changes: one entry for each change, written before its request is sent.
//!
//! It answers three questions: is the same change being made now, did it just succeed, or is its outcome unknown? In each
//! of these cases the change is not sent again, unless the caller confirms it. The module `decide` has the rules.

mod consent;
mod decide;
mod digest;

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use scope3_mcp_catalog::{Commitment, Effect, shortened};
use scope3_mcp_client::credentials::Fingerprint;
use serde::{Deserialize, Serialize, Serializer};

pub(crate) use self::decide::{Decision, Found, Issued, decide};
pub use self::{
    consent::{Asked, Consent, DayCap, Spender},
    digest::Digest,
};

/// How long a confirmation can be used.
pub const CONFIRMATION_LIFETIME: Duration = Duration::from_mins(10);

/// The maximum size of a result that is kept, in bytes of JSON.
pub const MAX_RESULT_BYTES: usize = 64 * 1024;

/// How long results are kept if the caller named the change with a key of its own.
const KEYED_RESULT_LIFETIME: Duration = Duration::from_hours(24);

/// How long results are kept at least, for callers that wait for the same change.
const MIN_RESULT_LIFETIME: Duration = Duration::from_mins(1);

/// How long entries are kept. Entries with an unknown outcome are kept until they are settled.
pub const ENTRY_LIFETIME: Duration = Duration::from_hours(24 * 90);

/// The number of a journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EntryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A change that a caller wants to make.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The key that stands for the caller.
    pub key: Fingerprint,
    /// Other keys of the caller. What was changed with one of them is the caller's change, too.
    pub other_keys: Vec<Fingerprint>,
    /// The MCP client, such as `claude-code 2.1.0`.
    pub client: Option<String>,
    /// The MCP session.
    pub session: Option<String>,
    /// The tool.
    pub tool: String,
    /// What the tool can do.
    pub effect: Effect,
    /// The digest of the tool and its arguments.
    pub digest: Digest,
    /// What is changed, such as `campaignId=cmp_1`.
    pub target: Option<String>,
    /// The amount of money, in decimal notation.
    pub amount: Option<String>,
    /// The currency of the amount.
    pub currency: Option<String>,
    /// The arguments as JSON, if the operator wants them in the journal.
    pub arguments: Option<String>,
    /// The caller's own name for this change, from `_meta.idempotencyKey`.
    pub caller_key: Option<String>,
    /// Whether the API takes an idempotency key for this operation.
    pub sends_key: bool,
    /// Whether making the change twice has the same effect as making it once.
    pub idempotent: bool,
    /// The caller's confirmation.
    pub confirmation: Option<String>,
    /// Whether Scope3 changed its description of the operation, and the operator has not acknowledged that.
    pub is_reworded: bool,
    /// Whether a person has to consent, and how.
    pub consent: Consent,
    /// Whose money the change commits.
    pub spender: Spender,
    /// The money that the change commits.
    pub commitment: Option<Commitment>,
    /// What the spender may commit in a day, in the currency of the commitment.
    pub day_cap: Option<DayCap>,
    /// The entry of the same change whose end this caller awaited.
    pub joined: Option<EntryId>,
    /// How long after its success the same change is not made again.
    pub repeat_guard: Duration,
}

impl Intent {
    /// All keys of the caller.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Fingerprint> {
        std::iter::once(self.key).chain(self.other_keys.iter().copied())
    }

    /// The codes that the intent uses up when it is sent.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        let reply = match &self.consent {
            Consent::Replied(code) => Some(code),
            _ => None,
        };
        self.confirmation.iter().chain(reply).map(String::as_str)
    }

    /// How long the result of the change is kept.
    pub(crate) fn result_lifetime(&self) -> Duration {
        match &self.caller_key {
            Some(_) => KEYED_RESULT_LIFETIME,
            None => self.repeat_guard.max(MIN_RESULT_LIFETIME),
        }
    }
}

/// What an intent met.
#[derive(Debug)]
pub enum Begun {
    /// The change may be sent. It is recorded as intended.
    Send(Started),
    /// The same change is in progress.
    InProgress(EntryId),
    /// The same change was made. It is not made again without the confirmation.
    Repeated(Box<Entry>, Confirmation),
    /// The outcome of the same change is unknown. It is not sent again without the confirmation.
    Unknown(Box<Entry>, Confirmation),
    /// The caller used its key for other arguments before.
    KeyReused(Box<Entry>),
    /// Scope3 changed its description of the operation. It is not sent without the confirmation.
    Reworded(Confirmation),
    /// The caller's confirmation cannot be used.
    Invalid(InvalidConfirmation),
    /// A person has to consent first. The code stands for the answer, unless the person is asked at once.
    Ask(Option<Confirmation>),
    /// The change would exceed what may be committed in a day. So much is committed already, in hundredths.
    OverCap(i64),
}

impl Begun {
    /// A change that needs a confirmation because of an earlier entry.
    pub(crate) fn held_back(purpose: Purpose, entry: Box<Entry>, confirmation: Confirmation) -> Self {
        if purpose == Purpose::Unknown {
            Self::Unknown(entry, confirmation)
        } else {
            Self::Repeated(entry, confirmation)
        }
    }
}

/// A change that may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its entry.
    pub id: EntryId,
    /// The idempotency key for the API, if it takes one.
    pub key: Option<String>,
}

/// A journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// When the change was intended.
    pub made_at: Timestamp,
    /// The state of the change.
    pub state: EntryState,
    /// Since when it has this state.
    pub since: Timestamp,
    /// The tool.
    pub tool: String,
    /// What the tool can do.
    pub effect: String,
    /// What is changed.
    pub target: Option<String>,
    /// The amount of money, in decimal notation.
    pub amount: Option<String>,
    /// The currency of the amount.
    pub currency: Option<String>,
    /// The MCP client.
    pub client: Option<String>,
    /// The MCP session.
    pub session: Option<String>,
    /// The key, as a digest that only this state file can compute.
    pub key: String,
    /// The digest of the tool and its arguments.
    pub digest: Digest,
    /// The arguments as JSON, if the operator wants them in the journal.
    pub arguments: Option<String>,
    /// The caller's own name for the change.
    pub caller_key: Option<String>,
    /// The idempotency key that was sent to the API.
    #[serde(skip)]
    pub api_key: Option<String>,
    /// The error code, if the change failed.
    pub code: Option<String>,
    /// The ids in the response, as `name=value`.
    pub ids: Vec<String>,
    /// The outcome as JSON. It is kept for a short time only.
    #[serde(skip)]
    pub outcome: Option<String>,
}

/// The state of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// It will be sent.
    Intended,
    /// Its request may have left. The response has not arrived.
    Sent,
    /// It was made.
    Done,
    /// It was not made.
    Refused,
    /// Nobody knows whether it was made.
    Unknown,
}

impl EntryState {
    /// Its name in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the change is in progress.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Intended | Self::Sent)
    }
}

impl fmt::Display for EntryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EntryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let states = [Self::Intended, Self::Sent, Self::Done, Self::Refused, Self::Unknown];
        let state = states.into_iter().find(|state| state.as_str() == text);
        state.ok_or_else(|| format!("expected the state of a journal entry, got `{}`", shortened(text)))
    }
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// `Done`, `Refused` or `Unknown`.
    pub state: EntryState,
    /// The error code, if it failed.
    pub code: Option<String>,
    /// The ids in the response, as `name=value`.
    pub ids: Vec<String>,
    /// The outcome as JSON, at most [`MAX_RESULT_BYTES`].
    pub outcome: Option<String>,
}

/// What an operator found out about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It was made.
    Done,
    /// It was not made.
    Refused,
}

/// Which entries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only entries since this time.
    pub since: Option<Timestamp>,
    /// Only entries with an unknown outcome.
    pub unknown: bool,
}

/// A code with which a caller says: yes, again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// The code.
    pub code: String,
    /// What it confirms.
    pub purpose: Purpose,
    /// Until when it can be used.
    #[serde(serialize_with = "in_whole_seconds")]
    pub expires_at: Timestamp,
}

/// Leaves out the fraction of the second, which costs a model tokens and tells it nothing.
fn in_whole_seconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    Timestamp::from_second(time.as_second()).unwrap_or(*time).serialize(serializer)
}

/// What a confirmation confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To send a change whose outcome is unknown.
    Unknown,
    /// To make a change once more.
    Repeat,
    /// To make a change although Scope3 changed its description of the operation.
    Reworded,
    /// Both: once more, or with an unknown outcome, and although the description changed.
    AgainReworded,
    /// That a person consents to a change. The caller gives the code in the argument `confirmation`.
    Consent,
    /// That a person consents to a change. The client gives the code together with the person's answer.
    Reply,
}

impl Purpose {
    /// Its name in the state.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Repeat => "repeat",
            Self::Reworded => "reworded",
            Self::AgainReworded => "againreworded",
            Self::Consent => "consent",
            Self::Reply => "reply",
        }
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let purposes =
            [Self::Unknown, Self::Repeat, Self::Reworded, Self::AgainReworded, Self::Consent, Self::Reply];
        let purpose = purposes.into_iter().find(|purpose| purpose.as_str() == text);
        purpose.ok_or_else(|| format!("expected the purpose of a confirmation, got `{}`", shortened(text)))
    }
}

/// Why a confirmation cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfirmation {
    /// This server did not issue it, or it was issued long ago.
    #[error("this server did not issue it")]
    NotIssued,
    /// It was used before.
    #[error("it was used before, and each can be used once")]
    Used,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It belongs to another key.
    #[error("it was issued for another API key")]
    OtherKey,
    /// It belongs to another tool.
    #[error("it was issued for another tool")]
    OtherTool,
    /// It belongs to other arguments.
    #[error("it was issued for other arguments")]
    OtherArguments,
}
