//! The handshake that a client of HTTP+SSE leaves out when it comes back.
//!
//! Its stream breaks, as when the server restarts, and the client opens another and goes on calling: of sessions that
//! could end, it knows nothing. MCP's own SDKs serve such calls; here the missing handshake is made in the client's
//! place, in the only version that has this transport.

use futures_util::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, Implementation,
    InitializeRequestParams, JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage,
};

/// The id of the request that is made in a client's place.
const ID: &str = "scope3-mcp/initialize";

/// The messages of a client, with a handshake before the first that takes one for granted.
pub(super) fn complete(
    messages: impl Stream<Item = ClientJsonRpcMessage> + Send + Unpin,
) -> impl Stream<Item = ClientJsonRpcMessage> + Send + Unpin {
    let mut has_begun = false;
    messages.flat_map(move |message| {
        let beginning = if has_begun { Beginning::Later } else { beginning(&message) };
        has_begun |= beginning != Beginning::Later;
        let made = if beginning == Beginning::Missing { handshake() } else { Vec::new() };
        stream::iter(made.into_iter().chain([message]))
    })
}

/// Whether a message answers a request that its client never made.
pub(super) fn is_answer(message: &ServerJsonRpcMessage) -> bool {
    let id = match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    };
    matches!(id, Some(RequestId::String(id)) if &**id == ID)
}

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// With this message.
    Here,
    /// It should have begun before this message.
    Missing,
    /// This message says nothing of it.
    Later,
}

fn beginning(message: &ClientJsonRpcMessage) -> Beginning {
    let JsonRpcMessage::Request(request) = message else { return Beginning::Missing };
    match request.request.method() {
        "initialize" => Beginning::Here,
        "ping" | "server/discover" => Beginning::Later,
        // The newest version has no handshake: each request says what it speaks.
        _ if request.request.get_meta().protocol_version().is_some() => Beginning::Here,
        _ => Beginning::Missing,
    }
}

fn handshake() -> Vec<ClientJsonRpcMessage> {
    let client = Implementation::new("unknown", "0");
    let params = InitializeRequestParams::new(ClientCapabilities::default(), client)
        .with_protocol_version(ProtocolVersion::V_2024_11_05);
    vec![
        ClientJsonRpcMessage::request(
            ClientRequest::InitializeRequest(rmcp::model::Request::new(params)),
            RequestId::String(ID.into()),
        ),
        ClientJsonRpcMessage::notification(ClientNotification::InitializedNotification(
            rmcp::model::InitializedNotification::default(),
        )),
    ]
}
