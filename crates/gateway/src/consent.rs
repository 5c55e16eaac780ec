//! The consent of a person: whether a call needs it, and how the person is asked.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use scope3_mcp_catalog::{Effect, Entry};

use crate::{
    CallError,
    caller::Call,
    failure::Failure,
    journal::{Asked, CONFIRMATION_LIFETIME, Consent},
};

/// Which calls need the consent of a person, besides those for which a rule of the operator's policy asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confirm {
    /// Those that can spend or delete. A client that cannot ask its user cannot make them.
    Strict,
    /// Those that can spend or delete. An agent whose client cannot ask its user receives a preview and a code, and
    /// asks.
    #[default]
    Auto,
    /// None: the client asks, or nobody does.
    Off,
}

/// How the person behind a caller can be asked.
#[derive(Clone, Default)]
pub enum Person {
    /// Only by the agent.
    #[default]
    BehindAgent,
    /// During the call.
    Reachable(Arc<dyn Ask>),
    /// Between two calls: the client puts the question, and repeats the call with the reply.
    BetweenCalls(Option<Reply>),
    /// The person consented before the call.
    Consented,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BehindAgent => "BehindAgent",
            Self::Reachable(_) => "Reachable",
            Self::BetweenCalls(_) => "BetweenCalls",
            Self::Consented => "Consented",
        })
    }
}

/// The reply to a question that an earlier call returned.
#[derive(Clone)]
pub struct Reply {
    /// The code of the question.
    pub code: String,
    /// The person's answer.
    pub answer: Answer,
}

/// Puts a question to a person.
#[async_trait]
pub trait Ask: Send + Sync {
    /// Why no question can be put, if that is known before there is one.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// Returns the person's answer, however long that takes.
    async fn ask(&self, question: &str) -> Answer;
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accepted,
    /// No.
    Declined,
    /// The person closed the question without an answer.
    Cancelled,
    /// There was no answer in time.
    Late,
    /// The client could not ask, for this reason.
    Unavailable(String),
}

impl Confirm {
    /// Whether a person has to consent to a call. `reason` is why a rule asks for it, if one does.
    ///
    /// # Errors
    /// If one has to, and cannot be asked.
    pub(crate) fn consent(
        self,
        entry: &Entry,
        person: &Person,
        reason: Option<&str>,
    ) -> Result<Consent, CallError> {
        let is_risky = matches!(entry.tool.effect, Effect::Spend | Effect::Delete);
        if reason.is_none() && (self == Self::Off || !is_risky) {
            return Ok(Consent::NotNeeded);
        }
        Ok(match person {
            Person::Consented => Consent::Given,
            Person::Reachable(person) => match person.obstacle() {
                None => Consent::Needed(Asked::Now),
                Some(why) => return Err(Failure::consent_refused(entry, &Answer::Unavailable(why)).into()),
            },
            Person::BetweenCalls(None) => Consent::Needed(Asked::BetweenCalls),
            Person::BetweenCalls(Some(reply)) => Consent::Replied(reply.code.clone()),
            Person::BehindAgent if self == Self::Strict => {
                return Err(Failure::consent_required(entry, reason).into());
            }
            Person::BehindAgent => Consent::Needed(Asked::ByAgent),
        })
    }
}

impl Call {
    /// Puts a question to the person, for as long as the caller waits and a confirmation is valid.
    pub(super) async fn ask(&self, person: &dyn Ask, question: &str) -> Answer {
        tokio::select! {
            // If the call has ended, an answer that has just arrived does not count.
            biased;
            () = self.abandoned.cancelled() => Answer::Cancelled,
            () = self.ending.cancelled() => Answer::Unavailable("this server is shutting down".to_owned()),
            answer = tokio::time::timeout(CONFIRMATION_LIFETIME, person.ask(question)) => {
                answer.unwrap_or(Answer::Late)
            }
        }
    }
}
