//! Keys × attempts × waits: the one loop that sends requests to Scope3.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use scope3_mcp_catalog::{Effect, Entry};
use scope3_mcp_client::{
    Answer, Error, PreparedRequest,
    credentials::{Admission, ApiKey, Fingerprint, KeyError, NotAdmitted},
};
use tower::retry::budget::Budget;

use super::{
    Gateway,
    caller::{Call, KeyOwner, OnLimit},
    record::Record,
    surfaces::Api,
};
use crate::limits::LimitExceeded;

/// Why a call got no response from Scope3.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No key is available.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Scope3 has not accepted the key yet, and it may not send now.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// No permit is free.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The caller of a change is gone, and its request was not sent yet.
    #[error("the caller has gone")]
    Abandoned,
    /// The request failed, or could not be sent.
    #[error(transparent)]
    Api(#[from] Error),
}

/// What to do after a failed attempt.
enum NextStep {
    /// Retry after a pause.
    Retry(Duration),
    /// Retry when a permit is free.
    Wait(Duration),
    /// Stop.
    GiveUp,
}

impl Gateway {
    /// Sends a request until there is a response, or nothing more can be done.
    pub(super) async fn send(
        &self,
        call: &Call,
        entry: &Entry,
        api: &Api,
        request: &PreparedRequest,
        record: &mut Record,
    ) -> Result<Answer, SendError> {
        let keys = &call.caller.keys;
        let mut key = keys.untried(&[]).await?.ok_or(KeyError::Missing)?;
        let mut tried = vec![key.fingerprint()];
        let mut retries = Retries::new(entry, api);
        let mut counted = None;
        let mut earlier = None;
        loop {
            let error = match self.attempt(call, entry, api, request, &key, &mut counted, record).await {
                Ok(answer) => {
                    keys.accept(&key);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let next = match &error {
                SendError::Api(Error::Unauthorized { .. }) => {
                    keys.refuse(&key);
                    match keys.untried(&tried).await? {
                        Some(other) => {
                            key = other;
                            tried.push(key.fingerprint());
                            NextStep::Retry(Duration::ZERO)
                        }
                        None => NextStep::GiveUp,
                    }
                }
                // A limit rejected it: nothing changed, so it may be sent again, whatever its effect.
                SendError::Api(Error::RateLimited { wait, .. })
                | SendError::Limit(LimitExceeded { wait, .. }) => self.wait_for_permit(call, *wait),
                SendError::Api(error) => retries.after(error),
                SendError::Key(_) | SendError::NotAdmitted(_) | SendError::Abandoned => NextStep::GiveUp,
            };
            // If the retry was not sent, the earlier error is the outcome.
            let error = match error {
                SendError::Api(error) => error.into(),
                unsent => earlier.take().unwrap_or(unsent),
            };
            match next {
                NextStep::Retry(pause) => call.pause(pause).await?,
                NextStep::Wait(wait) => call.wait(wait).await?,
                NextStep::GiveUp => return Err(error),
            }
            earlier = matches!(error, SendError::Api(_)).then_some(error);
        }
    }

    /// Sends a request once, if it may be sent. A journal of changes will be written just before.
    #[expect(clippy::too_many_arguments, reason = "the state of the loop above")]
    async fn attempt(
        &self,
        call: &Call,
        entry: &Entry,
        api: &Api,
        request: &PreparedRequest,
        key: &ApiKey,
        counted: &mut Option<Fingerprint>,
        record: &mut Record,
    ) -> Result<Answer, SendError> {
        let who = key.fingerprint();
        let admission = match call.caller.key_owner {
            KeyOwner::Server => None,
            KeyOwner::Caller => Some(self.reputations.admit(who).await?),
        };
        if call.abandoned.is_cancelled() {
            return Err(SendError::Abandoned);
        }
        let is_first = *counted != Some(who);
        self.limits.acquire(who, &api.classes(entry, is_first)).await?;
        *counted = Some(who);
        record.attempt(who);
        let outcome = api.client.attempt(request, key).await;
        if let Some(admission) = admission {
            record_reputation(admission, &outcome);
        }
        self.cool_down(who, entry, api, &outcome);
        Ok(outcome?)
    }

    /// Remembers what a response says about later requests with this key.
    fn cool_down(&self, who: Fingerprint, entry: &Entry, api: &Api, outcome: &Result<Answer, Error>) {
        let (class, wait) = match outcome {
            Ok(Answer { pause: Some(pause), .. }) => (api.request_class(), *pause),
            Err(Error::RateLimited { wait, .. }) => (api.refused_class(entry), *wait),
            _ => return,
        };
        if let Some(class) = class {
            self.limits.cool_down(who, class, wait);
        }
    }

    fn wait_for_permit(&self, call: &Call, wait: Duration) -> NextStep {
        match self.on_limit {
            OnLimit::Wait(longest) if call.started.elapsed().saturating_add(wait) <= longest => {
                NextStep::Wait(wait)
            }
            _ => NextStep::GiveUp,
        }
    }
}

/// Records what a response says about a caller's key.
fn record_reputation(admission: Admission<'_>, outcome: &Result<Answer, Error>) {
    match outcome {
        Err(Error::Unauthorized { .. }) => admission.rejected(),
        Ok(_) => admission.accepted(),
        // Not 404, which a proxy in front of the API may return.
        Err(Error::Refused(refusal)) if matches!(refusal.status, 200..300 | 400 | 402 | 403 | 409 | 422) => {
            admission.accepted();
        }
        // Other responses may come from before the key check, such as limits by address, and say nothing about the key.
        Err(_) => drop(admission),
    }
}

/// The retries of one call.
struct Retries<'a> {
    api: &'a Api,
    pauses: Box<dyn Iterator<Item = Duration> + Send>,
    internal_errors: u32,
}

impl<'a> Retries<'a> {
    /// The maximum number of attempts, retries included.
    const MAX_ATTEMPTS: usize = 3;

    /// The longest pause that Scope3 can ask for before a retry. If it asks for more, the call fails and says so.
    const MAX_PAUSE: Duration = Duration::from_secs(5);

    fn new(entry: &Entry, api: &'a Api) -> Self {
        api.deposit();
        // A failed change may have been made.
        let most = if entry.tool.effect == Effect::Read { Self::MAX_ATTEMPTS - 1 } else { 0 };
        Self { api, pauses: Box::new(full_jitter().take(most)), internal_errors: 0 }
    }

    fn after(&mut self, error: &Error) -> NextStep {
        self.pause_after(error).map_or(NextStep::GiveUp, NextStep::Retry)
    }

    fn pause_after(&mut self, error: &Error) -> Option<Duration> {
        let mut asked = Duration::ZERO;
        if let Error::Refused(refusal) = error {
            // The documents say that 500 may be repeated once.
            self.internal_errors += u32::from(refusal.status == 500);
            asked = refusal.retry_after.unwrap_or_default();
        }
        if !error.is_transient() || self.internal_errors > 1 || asked > Self::MAX_PAUSE {
            return None;
        }
        let pause = self.pauses.next()?.max(asked);
        self.api.retry_budget.withdraw().then_some(pause)
    }
}

/// The pauses between attempts: random, between zero and a limit that doubles.
fn full_jitter() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(4))
        .without_max_times()
        .build()
        .map(|limit| limit.mul_f64(fastrand::f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_random_below_a_limit_that_doubles() {
        let limits = [250, 500, 1000, 2000, 4000, 4000].map(Duration::from_millis);
        let mut longest = [Duration::ZERO; 6];
        for _ in 0..200 {
            for ((pause, limit), longest) in full_jitter().zip(limits).zip(&mut longest) {
                assert!(pause <= limit, "{pause:?} is longer than {limit:?}");
                *longest = pause.max(*longest);
            }
        }
        for (longest, limit) in longest.iter().zip(limits) {
            assert!(*longest > limit / 2, "of 200 pauses none is in the upper half of {limit:?}");
        }
    }
}
