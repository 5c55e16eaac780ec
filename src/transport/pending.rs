//! The memory of answers on their way through a session: from the call until they are written.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcError, JsonRpcMessage, JsonRpcResponse,
    RequestId, ServerJsonRpcMessage,
};
use scope3_mcp_gateway::AnswerPlace;

/// Where the memory of each answer is held that a session still owes its client. Clones are the same places.
///
/// rmcp hands an answer over without the extensions of its request, so the request's id leads from one to the other.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingResponses(Arc<Mutex<HashMap<RequestId, AnswerPlace>>>);

impl PendingResponses {
    /// Takes note of what a client sent. A call gets a place for the memory of its answer; a cancelled call, which has
    /// no answer, loses it.
    pub(super) fn track(&self, message: &ClientJsonRpcMessage) -> Option<AnswerPlace> {
        match message {
            JsonRpcMessage::Request(call) if matches!(call.request, ClientRequest::CallToolRequest(_)) => {
                let place = AnswerPlace::default();
                self.lock().insert(call.id.clone(), place.clone());
                Some(place)
            }
            JsonRpcMessage::Notification(notice) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notice.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.lock().remove(id);
                }
                None
            }
            _ => None,
        }
    }

    /// The place of an answer that is about to be written. Keep it until that is done.
    pub(super) fn take(&self, answer: &ServerJsonRpcMessage) -> Option<AnswerPlace> {
        match answer {
            JsonRpcMessage::Response(JsonRpcResponse { id, .. })
            | JsonRpcMessage::Error(JsonRpcError { id: Some(id), .. }) => self.lock().remove(id),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, AnswerPlace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
