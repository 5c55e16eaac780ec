//! Finds the parts of an HTTP request that the MCP server needs to handle its message.
//!
//! rmcp attaches the head of the request to the message as an extension.

use std::sync::Arc;

use http::{HeaderValue, request::Parts};
use rmcp::model::Extensions;
use scope3_mcp_gateway::{CallSlot, MemoryHolder, credentials::KeyRing, policy::Narrowing};

use super::{auth::HttpCaller, concurrency::CallPermit, ids::session_digest, streamable::NoStream};
use crate::{mcp::LargeArguments, traceparent};

/// The keys that the request carries.
pub(super) fn keys(message: &Extensions) -> Option<Arc<KeyRing>> {
    message.get::<Parts>()?.extensions.get::<HttpCaller>()?.keys()
}

/// The arguments that are passed beside the message because they are large.
pub(super) fn large_arguments(message: &Extensions) -> Option<LargeArguments> {
    message.get::<Parts>()?.extensions.get().cloned()
}

/// Whether the client receives requests of the server before the response.
pub(super) fn is_reachable(message: &Extensions) -> bool {
    message.get::<Parts>().is_none_or(|head| head.extensions.get::<NoStream>().is_none())
}

/// What the request's headers leave of the operator's selection of tools.
pub(super) fn narrowing(message: &Extensions) -> Option<Narrowing> {
    message.get::<Parts>()?.extensions.get().cloned()
}

/// The holder of the memory of the request's response.
pub(super) fn memory_holder(message: &Extensions) -> Option<MemoryHolder> {
    message.get::<Parts>()?.extensions.get().cloned()
}

/// The call's permit, for a change that outlives its request.
pub(super) fn call_slot(message: &Extensions) -> Option<CallSlot> {
    Some(message.get::<Parts>()?.extensions.get::<CallPermit>()?.slot())
}

/// The trace context of the request, if there is exactly one `traceparent` header and it is valid (W3C Trace Context).
pub(super) fn traceparent(message: &Extensions) -> Option<HeaderValue> {
    let mut values = message.get::<Parts>()?.headers.get_all("traceparent").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    traceparent::parse(value.to_str().ok()?)
}

/// The id of an HTTP+SSE session, which clients send in the query.
#[derive(Debug, Clone)]
pub(super) struct SseSession(pub(super) String);

/// What stands for the session of a request in the journal. Whoever knows a session's id can use it, so this is a digest.
pub(super) fn session(message: &Extensions) -> Option<String> {
    let head = message.get::<Parts>()?;
    let sse = head.extensions.get::<SseSession>().map(|SseSession(id)| id.as_bytes());
    let id = sse.or_else(|| Some(head.headers.get("mcp-session-id")?.as_bytes()))?;
    session_digest(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_forwarded_if_it_is_valid_and_sent_once() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let of = |sent: &[&str]| {
            let mut request = http::Request::new(());
            for value in sent {
                request.headers_mut().append("traceparent", value.parse().unwrap());
            }
            let mut message = Extensions::default();
            message.insert(request.into_parts().0);
            traceparent(&message)
        };
        assert_eq!(of(&[GOOD]).unwrap(), GOOD);
        for bad in [&[][..], &[GOOD.to_uppercase().as_str()], &[&GOOD[1..]], &["x"], &[""], &[GOOD, GOOD]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
        assert_eq!(traceparent(&Extensions::default()), None);
    }

    #[test]
    fn a_session_is_named_without_its_id() {
        let of = |id: &str| {
            let request = http::Request::builder().header("mcp-session-id", id).body(()).unwrap();
            let mut message = Extensions::default();
            message.insert(request.into_parts().0);
            session(&message).unwrap()
        };
        let name = of("f3a1c0de-session");
        assert!(name.len() == 8 && !"f3a1c0de-session".contains(&name), "{name}");
        assert!(name == of("f3a1c0de-session") && name != of("another"));
        assert_eq!(session(&Extensions::default()), None);
    }
}
