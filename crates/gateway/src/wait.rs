//! Waiting for work at Scope3: a read is sent again, at the pace that Scope3 asks for, until nothing in it is pending.

use std::time::{Duration, Instant};

use scope3_mcp_catalog::Entry;
use scope3_mcp_client::{ApiResponse, PreparedRequest};
use serde_json::{Value, json};

use crate::{
    Gateway, SendError,
    caller::{Call, WaitReason},
    record::CallRecord,
    surfaces::Api,
};

/// How long a call waits if it does not say.
pub(super) const DEFAULT_SECONDS: u64 = 50;

/// The longest time that a call may wait for.
pub(super) const MAX_SECONDS: u64 = 300;

/// The time after which Scope3 asks for a slower pace.
const FIRST_MINUTE: Duration = Duration::from_mins(1);

impl Gateway {
    /// Sends a request, and where the call waits, sends it again until the work that it tells about is done or the time is
    /// over. The note says which. All of it takes one permit of a call.
    pub(super) async fn send_until_done(
        &self,
        call: &Call,
        entry: &Entry,
        api: &Api,
        request: &PreparedRequest,
        record: &mut CallRecord,
    ) -> Result<(ApiResponse, Option<Value>), SendError> {
        let mut answer = self.send(call, entry, api, request, record).await?;
        let (Some(longest), Some(pending)) = (call.waits_for, &entry.tool.pending) else {
            return Ok((answer, None));
        };
        let since = Instant::now();
        let mut looks = 1_u32;
        let mut stopped = None;
        let reason = loop {
            let Some(reason) = pending.reason(&answer.data) else { break None };
            let is_late = since.elapsed() >= FIRST_MINUTE;
            let pace = pending.later.filter(|_| is_late).unwrap_or(pending.every);
            let pace = Duration::from_secs(pace.into());
            if stopped.is_some() || since.elapsed() + pace > longest {
                break Some(reason);
            }
            call.wait(pace, WaitReason::Pending).await?;
            looks += 1;
            match self.send(call, entry, api, request, record).await {
                Ok(newer) => answer = newer,
                // What was read before is worth more than the error.
                Err(error) => stopped = Some(error.to_string()),
            }
        };
        let mut note =
            json!({ "finished": reason.is_none(), "seconds": since.elapsed().as_secs(), "looks": looks });
        if let Some(reason) = reason {
            note["pending"] = reason.into();
            note["next"] = "Call wait_for again, or go on and look later.".into();
        }
        if let Some(error) = stopped {
            note["stopped"] = error.into();
        }
        Ok((answer, Some(note)))
    }
}
