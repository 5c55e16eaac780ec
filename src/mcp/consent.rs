//! Asking the person behind a client for consent, by elicitation.
//!
//! Up to 2025-11-25 the server sends a request during the call. In 2026-07-28 the result of a call is the question, and the
//! client repeats the call with the answer.

use async_trait::async_trait;
use rmcp::{
    Peer, RoleServer,
    model::{
        CallToolRequestParams, ClientCapabilities, ElicitRequest, ElicitRequestParams, ElicitResult,
        ElicitationAction, ElicitationSchema, InputRequest, InputRequiredResult, ProtocolVersion,
    },
    service::RequestContext,
};
use scope3_mcp_gateway::consent::{Answer, Ask, Person, Reply};

/// The name of the question in a result that asks for the answer.
const QUESTION: &str = "consent";

/// How the person behind a request can be asked. `is_reachable` is whether the client can receive requests during the
/// call.
pub(super) fn person(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
    is_reachable: bool,
) -> Person {
    if !context.client_capabilities().is_some_and(|client| shows_forms(&client)) {
        return Person::BehindAgent;
    }
    let is_stateless =
        context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if is_stateless {
        return Person::BetweenCalls(reply(request));
    }
    if is_reachable {
        Person::Reachable(std::sync::Arc::new(Client(context.peer.clone())))
    } else {
        Person::BehindAgent
    }
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
struct Client(Peer<RoleServer>);

#[async_trait]
impl Ask for Client {
    async fn ask(&self, question: &str) -> Answer {
        match self.0.create_elicitation(form(question)).await {
            Ok(result) => answer(&result),
            Err(error) => Answer::Unavailable(error.to_string()),
        }
    }
}
