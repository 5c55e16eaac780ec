//! Sending, with all keys, retries and waits in one loop. Every request to Scope3 is sent from here.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use scope3_mcp_catalog::{Effect, Entry};
use scope3_mcp_client::{
    ApiResponse, Error, PreparedRequest,
    credentials::{Admission, ApiKey, Fingerprint, KeyError, NotAdmitted},
};
use tower::retry::budget::Budget;

use super::{
    Gateway,
    audit::Event,
    caller::{Call, KeyOwner, OnLimit, WaitReason},
    record::CallRecord,
    surfaces::Api,
};
use crate::{
    changes::needs_state,
    limits::{AcquireError, LimitExceeded, Needs},
    state::StateError,
};

/// Why a call got no response from Scope3.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No API key is available.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The caller's key may not be used now.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// A rate limit is used up.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The state is unavailable, and the request must not be sent without it.
    #[error(transparent)]
    State(StateError),
    /// The call was cancelled, or the server is shutting down, before the request was sent.
    #[error("the call was cancelled")]
    Abandoned,
    /// The request failed, or could not be sent.
    #[error(transparent)]
    Api(#[from] Error),
}

impl From<AcquireError> for SendError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Limit(exceeded) => Self::Limit(exceeded),
            AcquireError::State(error) => Self::State(error),
        }
    }
}

/// What to do after a failed attempt.
enum NextStep {
    /// Send again after a pause.
    Retry(Duration),
    /// Send again when a permit is free.
    Wait(Duration),
    /// Return the error.
    GiveUp,
}

impl Gateway {
    /// Sends a request until it succeeds or no further attempt is allowed.
    pub(super) async fn send(
        &self,
        call: &Call,
        entry: &Entry,
        api: &Api,
        request: &PreparedRequest,
        record: &mut CallRecord,
    ) -> Result<ApiResponse, SendError> {
        let keys = &call.caller.keys;
        let mut key = keys.untried(&[]).await?.ok_or(KeyError::Missing)?;
        let mut tried = vec![key.fingerprint()];
        let mut retries = Retries::new(entry, api);
        let mut earlier_error = None;
        loop {
            let error = match self.attempt(call, entry, api, request, &key, record).await {
                Ok(answer) => {
                    keys.accept(&key);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let next = match &error {
                SendError::Api(Error::Unauthorized { .. }) => {
                    keys.refuse(&key);
                    record.audit(Event::KeyRejected, Some("AUTH_INVALID_KEY"));
                    match keys.untried(&tried).await? {
                        Some(other) => {
                            key = other;
                            tried.push(key.fingerprint());
                            NextStep::Retry(Duration::ZERO)
                        }
                        None => NextStep::GiveUp,
                    }
                }
                // A rate limit refused the request, so it changed nothing. It may be sent again, whatever its effect.
                SendError::Api(Error::RateLimited { wait, .. })
                | SendError::Limit(LimitExceeded { wait, .. }) => self.wait_for_permit(call, *wait),
                SendError::Api(error) => retries.after(error),
                SendError::Key(_)
                | SendError::NotAdmitted(_)
                | SendError::State(_)
                | SendError::Abandoned => NextStep::GiveUp,
            };
            // If a repeated request was not sent, the earlier error is what happened.
            let error = match error {
                SendError::Api(error) => error.into(),
                unsent => earlier_error.take().unwrap_or(unsent),
            };
            let pause = match next {
                NextStep::Retry(pause) => call.pause(pause).await,
                NextStep::Wait(wait) => call.wait(wait, WaitReason::Limit).await,
                NextStep::GiveUp => return Err(error),
            };
            earlier_error = matches!(error, SendError::Api(_)).then_some(error);
            if let Err(abandoned) = pause {
                return Err(earlier_error.unwrap_or(abandoned));
            }
        }
    }

    /// Sends a request once, if the key and the rate limits allow it. A change is recorded as sent just before.
    async fn attempt(
        &self,
        call: &Call,
        entry: &Entry,
        api: &Api,
        request: &PreparedRequest,
        key: &ApiKey,
        record: &mut CallRecord,
    ) -> Result<ApiResponse, SendError> {
        let who = key.fingerprint();
        record.key = Some(who);
        let admission = match call.caller.key_owner {
            KeyOwner::Server => None,
            KeyOwner::Caller => Some(self.reputations.admit(who).await?),
        };
        if call.abandoned.is_cancelled() {
            return Err(SendError::Abandoned);
        }
        let is_first = record.counted_key != Some(who);
        let needs = Needs { state: needs_state(entry), entry: record.entry };
        self.limits.acquire(who, &api.classes(entry, is_first), needs).await?;
        record.counted_key = Some(who);
        record.count_attempt();
        let outcome = api.client.attempt(request, key).await;
        if let Some(admission) = admission {
            settle_admission(admission, &outcome);
        }
        self.cool_down(who, entry, api, &outcome).await;
        Ok(outcome?)
    }

    /// Starts a cooldown for this key if the response asks for one.
    async fn cool_down(
        &self,
        who: Fingerprint,
        entry: &Entry,
        api: &Api,
        outcome: &Result<ApiResponse, Error>,
    ) {
        let (class, wait) = match outcome {
            Ok(ApiResponse { pause: Some(pause), .. }) => (api.request_class(), *pause),
            Err(Error::RateLimited { wait, .. }) => (api.refused_class(entry), *wait),
            _ => return,
        };
        if let Some(class) = class {
            self.limits.cool_down(who, class, wait).await;
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

/// Records whether a response shows that Scope3 accepts the caller's key.
fn settle_admission(admission: Admission<'_>, outcome: &Result<ApiResponse, Error>) {
    match outcome {
        Err(Error::Unauthorized { .. }) => admission.rejected(),
        Ok(_) => admission.accepted(),
        // 404 does not count: a proxy in front of the API may send it.
        Err(Error::Refused(refusal)) if matches!(refusal.status, 200..300 | 400 | 402 | 403 | 409 | 422) => {
            admission.accepted();
        }
        // Other responses may come from before Scope3's key check, such as limits by address, and prove nothing.
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
    /// The maximum number of attempts, including the first.
    const MAX_ATTEMPTS: usize = 3;

    /// The longest pause that Scope3 may ask for before a retry. If it asks for more, the call fails and says how long.
    const MAX_PAUSE: Duration = Duration::from_secs(5);

    fn new(entry: &Entry, api: &'a Api) -> Self {
        api.deposit();
        // A failed change may have been made, so it is not retried.
        let max_retries = if entry.tool.effect == Effect::Read { Self::MAX_ATTEMPTS - 1 } else { 0 };
        Self { api, pauses: Box::new(full_jitter().take(max_retries)), internal_errors: 0 }
    }

    fn after(&mut self, error: &Error) -> NextStep {
        self.pause_after(error).map_or(NextStep::GiveUp, NextStep::Retry)
    }

    fn pause_after(&mut self, error: &Error) -> Option<Duration> {
        let mut requested = Duration::ZERO;
        if let Error::Refused(refusal) = error {
            // Scope3 documents that a 500 may be retried once.
            self.internal_errors += u32::from(refusal.status == 500);
            requested = refusal.retry_after.unwrap_or_default();
        }
        if !error.is_transient() || self.internal_errors > 1 || requested > Self::MAX_PAUSE {
            return None;
        }
        let pause = self.pauses.next()?.max(requested);
        self.api.retry_budget.withdraw().then_some(pause)
    }
}

/// Pauses between attempts: random, between zero and a limit that doubles (full jitter).
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
