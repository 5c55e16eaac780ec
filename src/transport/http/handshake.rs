//! The handshake that a client of HTTP+SSE leaves out when it comes back.
//!
//! Its stream breaks, as when the server restarts, and the client opens another and goes on calling: of sessions that
//! could end, it knows nothing. MCP's own SDKs serve such calls; here the missing handshake is inserted in the client's
//! place, in the only version that has this transport.

use futures_util::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, Implementation,
    InitializeRequestParams, JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage,
};

/// The id of the request that is inserted in a client's place.
const HANDSHAKE_ID: &str = "scope3-mcp/initialize";

/// The messages of a client, with a handshake before the first that takes one for granted.
pub(super) fn insert_missing(
    messages: impl Stream<Item = ClientJsonRpcMessage> + Send + Unpin,
) -> impl Stream<Item = ClientJsonRpcMessage> + Send + Unpin {
    let mut is_done = false;
    messages.flat_map(move |message| {
        let state = if is_done { Handshake::NotNeeded } else { state(&message) };
        is_done |= state != Handshake::NotNeeded;
        let inserted = if state == Handshake::Missing { handshake_messages() } else { Vec::new() };
        stream::iter(inserted.into_iter().chain([message]))
    })
}

/// Whether a message answers a request that its client never inserted.
pub(super) fn is_handshake_response(message: &ServerJsonRpcMessage) -> bool {
    let id = match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    };
    matches!(id, Some(RequestId::String(id)) if &**id == HANDSHAKE_ID)
}

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handshake {
    /// With this message.
    Starts,
    /// It should have begun before this message.
    Missing,
    /// This message says nothing of it.
    NotNeeded,
}

fn state(message: &ClientJsonRpcMessage) -> Handshake {
    let JsonRpcMessage::Request(request) = message else { return Handshake::Missing };
    match request.request.method() {
        "initialize" => Handshake::Starts,
        "ping" | "server/discover" => Handshake::NotNeeded,
        // The newest version has no handshake: each request says what it speaks.
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
