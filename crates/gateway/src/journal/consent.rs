//! What an intent says about money, and about the consent of a person.

use jiff::Timestamp;
use scope3_mcp_catalog::Commitment;
use scope3_mcp_client::credentials::Fingerprint;

/// Whether a person has to consent to a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Consent {
    /// Nobody has to.
    #[default]
    NotNeeded,
    /// A person has to, and is asked in this way.
    Needed(Asked),
    /// A person consented to this call.
    Given,
    /// A person consented in the answer to the question that this code stands for.
    Replied(String),
}

/// How a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// During the call. Nothing but the person's answer counts.
    Now,
    /// Between this call and the client's next one, which brings the answer.
    BetweenCalls,
    /// By the agent, which repeats the call with a confirmation. A confirmation for another purpose counts, too: it was
    /// given after a result that told the agent to ask.
    ByAgent,
}

/// Whose money changes commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spender {
    /// The operator's, whatever key of this server is used.
    Operator,
    /// That of a caller with its own key.
    Caller(Fingerprint),
}

/// How much may be committed in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCap {
    /// In hundredths of the currency unit.
    pub hundredths: i64,
    /// When the day began.
    pub since: Timestamp,
}

impl DayCap {
    /// Whether a commitment fits, after what was committed since the day began.
    pub(crate) fn has_room(&self, committed: i64, commitment: &Commitment) -> bool {
        commitment.hundredths <= 0 || committed.saturating_add(commitment.hundredths) <= self.hundredths
    }
}
