//! Reads request bodies, each within a size limit and a deadline, and all of them within a memory budget.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use scope3_mcp_gateway::instruments::bound_reached;
use tokio_util::sync::CancellationToken;

use super::rejection::Rejection;

/// The maximum size of a request body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How much of an overlong body is read and discarded, so that its sender can read the response.
const MAX_DISCARDED_BYTES: usize = 16 * MAX_BODY_BYTES;

/// How long to read and discard the rest of a body that exceeds the budget.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The minimum reservation for a body.
const MIN_RESERVED_BYTES: usize = 4 * 1024;

/// A body that takes longer to arrive can be displaced by others. Otherwise senders that never finish could block all
/// others until their deadline.
const MAX_PROTECTED_AGE: Duration = Duration::from_secs(2);

/// When a client should retry after its body was rejected.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The memory budget of all request bodies.
#[derive(Debug)]
pub(super) struct BodyBudget {
    max_bytes: usize,
    state: Mutex<BudgetState>,
}

#[derive(Debug, Default)]
struct BudgetState {
    next: u64,
    reserved: usize,
    /// The bodies that are arriving, oldest first.
    incoming: BTreeMap<u64, IncomingBody>,
}

#[derive(Debug)]
struct IncomingBody {
    since: Instant,
    bytes: usize,
    displaced: CancellationToken,
}

/// The budget has no room for more bytes.
#[derive(Debug)]
struct BudgetExhausted;

impl BodyBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, state: Mutex::default() }
    }

    /// Reads a body, at most for the time `within`.
    pub(super) async fn collect(self: &Arc<Self>, body: Body, within: Duration) -> Result<Bytes, Rejection> {
        tokio::time::timeout(within, self.read(body)).await.unwrap_or_else(|_| {
            let message = "the request body did not arrive in time";
            Err(Rejection::new(StatusCode::REQUEST_TIMEOUT, message))
        })
    }

    async fn read(self: &Arc<Self>, mut body: Body) -> Result<Bytes, Rejection> {
        let mut text = Vec::new();
        let mut total = 0;
        let mut reservation = self.reserve();
        let displaced = reservation.displaced.clone();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = displaced.cancelled() => {
                    drop((text, reservation));
                    return Err(reject_body(body).await);
                }
            };
            let Some(frame) = frame else { break };
            let broken = |_| Rejection::new(StatusCode::BAD_REQUEST, "the request body is incomplete");
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            total += data.len();
            if total > MAX_DISCARDED_BYTES {
                break;
            }
            if total > MAX_BODY_BYTES {
                text = Vec::new();
                reservation.release();
                continue;
            }
            if reservation.grow(total).is_err() {
                drop((text, reservation));
                return Err(reject_body(body).await);
            }
            text.reserve_exact(reservation.bytes - text.len());
            text.extend_from_slice(&data);
        }
        if total > MAX_BODY_BYTES {
            return Err(Rejection::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "expected a request body of at most 4 MiB",
            ));
        }
        if reservation.complete().is_err() {
            drop((text, reservation));
            return Err(reject_body(body).await);
        }
        Ok(Bytes::from_owner(BudgetedBody { bytes: text, _reservation: reservation }))
    }

    fn reserve(self: &Arc<Self>) -> Reservation {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let displaced = CancellationToken::new();
        let incoming = IncomingBody { since: Instant::now(), bytes: 0, displaced: displaced.clone() };
        state.incoming.insert(number, incoming);
        Reservation { budget: Arc::clone(self), number, bytes: 0, is_complete: false, displaced }
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BudgetState {
    /// Displaces the oldest body that has had time to arrive. Returns whether there was one.
    fn displace_slow_body(&mut self, newcomer: u64) -> bool {
        let slow = self.incoming.iter().find(|(number, body)| {
            **number != newcomer && body.bytes > 0 && body.since.elapsed() >= MAX_PROTECTED_AGE
        });
        let Some(body) = slow.map(|(number, _)| *number).and_then(|number| self.incoming.remove(&number))
        else {
            return false;
        };
        self.reserved -= body.bytes;
        body.displaced.cancel();
        true
    }
}

/// The bytes reserved for a body. Dropping it frees them.
#[derive(Debug)]
struct Reservation {
    budget: Arc<BodyBudget>,
    number: u64,
    bytes: usize,
    is_complete: bool,
    /// Cancelled when the body is displaced. Its bytes count as free from then on.
    displaced: CancellationToken,
}

impl Reservation {
    /// Reserves the memory that a body of this length takes.
    fn grow(&mut self, length: usize) -> Result<(), BudgetExhausted> {
        if length <= self.bytes {
            return Ok(());
        }
        let bytes = length.next_power_of_two().clamp(MIN_RESERVED_BYTES, MAX_BODY_BYTES);
        let more = bytes - self.bytes;
        let mut state = self.budget.lock();
        while state.reserved + more > self.budget.max_bytes {
            if !state.displace_slow_body(self.number) {
                return Err(BudgetExhausted);
            }
        }
        let Some(incoming) = state.incoming.get_mut(&self.number) else { return Err(BudgetExhausted) };
        incoming.bytes = bytes;
        state.reserved += more;
        self.bytes = bytes;
        Ok(())
    }

    /// Frees the reserved bytes.
    fn release(&mut self) {
        let mut state = self.budget.lock();
        if let Some(incoming) = state.incoming.get_mut(&self.number) {
            state.reserved -= std::mem::take(&mut incoming.bytes);
        }
        self.bytes = 0;
    }

    /// Marks the body as complete. It can no longer be displaced.
    fn complete(&mut self) -> Result<(), BudgetExhausted> {
        self.budget.lock().incoming.remove(&self.number).ok_or(BudgetExhausted)?;
        self.is_complete = true;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        // The bytes of a displaced body were freed already.
        if state.incoming.remove(&self.number).is_some() || self.is_complete {
            state.reserved -= self.bytes;
        }
    }
}

/// A body in memory, and the bytes reserved for it.
struct BudgetedBody {
    bytes: Vec<u8>,
    _reservation: Reservation,
}

impl AsRef<[u8]> for BudgetedBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Rejects a body that exceeds the budget. Reads and discards some of the rest, so that its sender can read the
/// response.
async fn reject_body(mut body: Body) -> Rejection {
    bound_reached("request_bodies");
    let discard = async {
        let mut total = 0;
        while let Some(Ok(frame)) = body.frame().await {
            total += frame.data_ref().map_or(0, Bytes::len);
            if total > MAX_DISCARDED_BYTES {
                break;
            }
        }
    };
    // Respond whether the body has ended or not.
    let _ended = tokio::time::timeout(DISCARD_TIMEOUT, discard).await;
    Rejection::busy("request body memory limit reached", RETRY_AFTER)
}

#[cfg(test)]
mod tests;
