//! Adds the `initialize` handshake that clients of HTTP+SSE omit when they reconnect.
//!
//! If its stream breaks, for example because the server restarts, such a client opens another stream and continues to
//! call tools. MCP's own SDKs serve such calls. This module inserts the missing handshake on the client's behalf, for
//! the only version that has this transport.

use futures_util::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, Implementation,
    InitializeRequestParams, JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage,
};

/// The id of the request that is inserted for a client.
const HANDSHAKE_ID: &str = "scope3-mcp/initialize";

/// The messages of a client, with a handshake inserted before the first one that requires it.
pub(super) fn insert_missing(
    messages: impl Stream<Item = ClientJsonRpcMessage> + Send + Unpin,
) -> impl Stream<Item = ClientJsonRpcMessage> + Send + Unpin {
    let mut is_done = false;
    messages.flat_map(move |message| {
        let state = if is_done { Handshake::NotNeeded } else { classify(&message) };
        is_done |= state != Handshake::NotNeeded;
        let inserted = if state == Handshake::Missing { handshake_messages() } else { Vec::new() };
        stream::iter(inserted.into_iter().chain([message]))
    })
}

/// Whether a message responds to the inserted request. The client never sent that request, so it gets no response.
pub(super) fn is_handshake_response(message: &ServerJsonRpcMessage) -> bool {
    let id = match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    };
    matches!(id, Some(RequestId::String(id)) if &**id == HANDSHAKE_ID)
}

/// What a message means for the handshake of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handshake {
    /// The session starts with this message.
    Starts,
    /// The session should have started before this message.
    Missing,
    /// This message is valid before the session starts.
    NotNeeded,
}

fn classify(message: &ClientJsonRpcMessage) -> Handshake {
    let JsonRpcMessage::Request(request) = message else { return Handshake::Missing };
    match request.request.method() {
        "initialize" => Handshake::Starts,
        "ping" | "server/discover" => Handshake::NotNeeded,
        // The newest version has no handshake: each request names its version.
        _ if request.request.get_meta().protocol_version().is_some() => Handshake::Starts,
        _ => Handshake::Missing,
    }
}

fn handshake_messages() -> Vec<ClientJsonRpcMessage> {
    let client = Implementation::new("unknown", "0");
    let params = InitializeRequestParams::new(ClientCapabilities::default(), client)
        .with_protocol_version(ProtocolVersion::V_2024_11_05);
    vec![
        ClientJsonRpcMessage::request(
            ClientRequest::InitializeRequest(rmcp::model::Request::new(params)),
            RequestId::String(HANDSHAKE_ID.into()),
        ),
        ClientJsonRpcMessage::notification(ClientNotification::InitializedNotification(
            rmcp::model::InitializedNotification::default(),
        )),
    ]
}
