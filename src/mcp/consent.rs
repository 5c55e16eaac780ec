//! Asking the person behind a client for consent, by elicitation.
//!
//! Up to 2025-11-25 the server sends a request during the call. In 2026-07-28 the result of a call is the question, and the
//! client repeats the call with the answer.

use async_trait::async_trait;
use rmcp::{
    Peer, RoleServer,
    model::{
        CallToolRequestParams, CancelledNotificationParam, ClientCapabilities, ClientResult, ElicitRequest,
        ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
        InputRequiredResult, ProtocolVersion, RequestId, ServerRequest,
    },
    service::{OriginatingRequestId, PeerRequestOptions, RequestContext, ServiceError},
};
use scope3_mcp_gateway::consent::{Answer, Ask, Person, Reply};
use tokio_util::sync::CancellationToken;

/// The name of the question in a result that asks for the answer.
const QUESTION: &str = "consent";

/// How the person behind a request can be asked. A client that can receive requests during the call can answer until
/// `end_of_answers`.
pub(super) fn person(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
    end_of_answers: Option<&CancellationToken>,
) -> Person {
    if !context.client_capabilities().is_some_and(|client| shows_forms(&client)) {
        return Person::BehindAgent;
    }
    let is_stateless =
        context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if is_stateless {
        return Person::BetweenCalls(reply(request));
    }
    let Some(end_of_answers) = end_of_answers.cloned() else { return Person::BehindAgent };
    let client = Client { peer: context.peer.clone(), call: context.id.clone(), end_of_answers };
    Person::Reachable(std::sync::Arc::new(client))
}

/// Whether a client can show a form. One that names no mode can, as in 2025-06-18.
fn shows_forms(client: &ClientCapabilities) -> bool {
    client.elicitation.as_ref().is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
}

/// The answer that a repeated call brings.
fn reply(request: &CallToolRequestParams) -> Option<Reply> {
    let code = request.request_state.clone()?;
    let given = request.input_responses.as_ref().and_then(|responses| responses.get(QUESTION));
    let answer = match given {
        None => Answer::Unavailable("the call brings no answer".to_owned()),
        Some(given) => match serde_json::from_value::<ElicitResult>(given.clone()) {
            Ok(result) => answer(&result),
            Err(_) => Answer::Unavailable("the answer of the client is malformed".to_owned()),
        },
    };
    Some(Reply { code, answer })
}

fn answer(result: &ElicitResult) -> Answer {
    match result.action {
        ElicitationAction::Accept => Answer::Accepted,
        ElicitationAction::Decline => Answer::Declined,
        _ => Answer::Cancelled,
    }
}

/// The result of a call that asks the client for the answer. The code stands for the question.
pub(super) fn question(text: &str, code: String) -> InputRequiredResult {
    let request = InputRequest::Elicitation(ElicitRequest::new(form(text)));
    let requests = [(QUESTION.to_owned(), request)].into_iter().collect();
    InputRequiredResult::new(Some(requests), Some(code))
}

/// A form without fields: its buttons are the answer.
fn form(text: &str) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: text.to_owned(),
        requested_schema: ElicitationSchema::new(std::collections::BTreeMap::new()),
    }
}

/// A client that can be asked during a call.
struct Client {
    peer: Peer<RoleServer>,
    /// The id of the call.
    call: RequestId,
    /// When no answer can arrive any more.
    end_of_answers: CancellationToken,
}

impl Client {
    async fn elicit(&self, question: &str) -> Result<ElicitResult, ServiceError> {
        let mut request = ElicitRequest::new(form(question));
        // So that the question is in the stream of its call. A client need not have another one. rmcp knows the call by
        // its task, and a change runs in a task of its own.
        request.extensions.insert(OriginatingRequestId(self.call.clone()));
        let request = ServerRequest::ElicitRequest(request);
        let handle = self.peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
        let mut open = OpenQuestion { peer: self.peer.clone(), id: Some(handle.id.clone()) };
        let result = handle.await_response().await;
        open.id = None;
        match result? {
            ClientResult::ElicitResult(result) => Ok(result),
            _ => Err(ServiceError::UnexpectedResponse),
        }
    }
}

#[async_trait]
impl Ask for Client {
    async fn ask(&self, question: &str) -> Answer {
        tokio::select! {
            result = self.elicit(question) => match result {
                Ok(result) => answer(&result),
                Err(error) => Answer::Unavailable(error.to_string()),
            },
            () = self.end_of_answers.cancelled() => Answer::Unavailable("it closed its input".to_owned()),
        }
    }
}

/// A question without an answer. Dropping it takes the question back, so that no form stays open for a call that has
/// ended.
struct OpenQuestion {
    peer: Peer<RoleServer>,
    id: Option<RequestId>,
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let peer = self.peer.clone();
        let notice = CancelledNotificationParam::new(Some(id), Some("the call has ended".to_owned()));
        // An error means that the client is gone.
        runtime.spawn(async move { drop(peer.notify_cancelled(notice).await) });
    }
}
