//! Holds the memory of the responses of a session, from the call until the response is written.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcError, JsonRpcMessage, JsonRpcResponse,
    RequestId, ServerJsonRpcMessage,
};
use scope3_mcp_gateway::MemoryHolder;

/// The memory holders of the responses to a session's running calls. Clones share them.
///
/// rmcp returns a response without the extensions of its request, so the request's id connects the two.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingResponses(Arc<Mutex<HashMap<RequestId, MemoryHolder>>>);

impl PendingResponses {
    /// Tracks a message of the client. A call gets a holder for the memory of its response. A cancelled call loses its
    /// holder, because it gets no response.
    pub(super) fn track(&self, message: &ClientJsonRpcMessage) -> Option<MemoryHolder> {
        match message {
            JsonRpcMessage::Request(call) if matches!(call.request, ClientRequest::CallToolRequest(_)) => {
                let holder = MemoryHolder::default();
                self.lock().insert(call.id.clone(), holder.clone());
                Some(holder)
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.lock().remove(id);
                }
                None
            }
            _ => None,
        }
    }

    /// Removes and returns the holder of a response that is about to be written. Keep it until the response is written.
    pub(super) fn take(&self, response: &ServerJsonRpcMessage) -> Option<MemoryHolder> {
        match response {
            JsonRpcMessage::Response(JsonRpcResponse { id, .. })
            | JsonRpcMessage::Error(JsonRpcError { id: Some(id), .. }) => self.lock().remove(id),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, MemoryHolder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
