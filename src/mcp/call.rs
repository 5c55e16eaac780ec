//! A call of a tool: what the request says about its caller, and what becomes of the outcome.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse, Implementation, ProgressNotificationParam},
    service::RequestContext,
};
use scope3_mcp_gateway::{CallError, Caller, Reader, WaitReason, Waiting};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{LargeArguments, Server, consent, results};
use crate::traceparent;

/// The tool whose results `--discover=list` adds to the list.
const FIND_TOOLS: &str = "find_tools";

impl Server {
    /// Calls a tool.
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (keys, key_owner) = self.caller_keys(context);
        let traceparent = context.meta.get_traceparent().and_then(traceparent::parse);
        let traceparent = traceparent.or_else(|| (self.traceparent)(&context.extensions));
        let call_slot = (self.call_slot)(&context.extensions);
        let idempotency_key = idempotency_key(context)?;
        let session = (self.session)(&context.extensions);
        let client = client(context);
        let narrowing = (self.narrowing)(&context.extensions);
        let is_reachable = (self.is_reachable)(&context.extensions);
        let person = consent::person(&request, context, is_reachable.then_some(&self.end_of_answers));
        let caller = Caller {
            traceparent,
            client,
            session,
            idempotency_key,
            narrowing,
            reader: Reader::Model,
            person,
            call_slot,
            ..Caller::new(keys, key_owner)
        };
        let (notices, received) = mpsc::channel(1);
        let progress = forward_progress(context, received);
        let arguments = match (self.large_arguments)(&context.extensions) {
            Some(LargeArguments(text)) => serde_json::from_slice(&text)
                .map_err(|_| ErrorData::invalid_params("tools/call: `arguments` must be an object", None))?,
            None => request.arguments.unwrap_or_default(),
        };
        let finds = request.name == FIND_TOOLS;
        let call = async move {
            // If an older notice is still in the channel, this one adds nothing and can be dropped.
            let on_wait = Arc::new(move |notice| {
                let _dropped_if_full = notices.try_send(notice);
            });
            self.gateway.call(caller, &request.name, arguments, on_wait).await
        };
        // The call owns the sender, so progress ends with the call and no notification follows the response.
        match tokio::join!(call, progress).0 {
            Ok(mut success) => {
                if let Some(found) = &self.found
                    && finds
                    && found.add(&success)
                {
                    // An error means that the client is gone.
                    drop(context.peer.notify_tool_list_changed().await);
                }
                if let Some(holder) = (self.memory_holder)(&context.extensions) {
                    holder.hold(std::mem::take(&mut success.memory));
                }
                Ok(results::success(success).into())
            }
            Err(CallError::ConsentNeeded { question, code }) => Ok(consent::question(&question, code).into()),
            Err(CallError::Failed(failure)) => Ok(results::failure(&failure).into()),
            Err(unknown @ CallError::UnknownTool { .. }) => {
                Err(ErrorData::invalid_params(unknown.to_string(), None))
            }
        }
    }
}

/// The caller's own name for a change: `_meta.idempotencyKey`, as in the MCP proposal SEP-3182.
fn idempotency_key(context: &RequestContext<RoleServer>) -> Result<Option<String>, ErrorData> {
    match context.meta.get("idempotencyKey") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(key)) => Ok(Some(key.clone())),
        Some(_) => {
            Err(ErrorData::invalid_params("tools/call: `_meta.idempotencyKey` must be a string", None))
        }
    }
}

/// The name and version that the client reports, for the log.
fn client(context: &RequestContext<RoleServer>) -> Option<String> {
    /// Longer names are truncated.
    const MAX_CHARACTERS: usize = 64;
    let Implementation { name, version, .. } = context.client_info()?;
    let is_printable = |c: &char| !c.is_control();
    Some(format!("{name} {version}").chars().filter(is_printable).take(MAX_CHARACTERS).collect())
}

/// Sends progress notifications for a waiting call to a client that asked for them.
async fn forward_progress(context: &RequestContext<RoleServer>, mut notices: mpsc::Receiver<Waiting>) {
    let token = context.meta.get_progress_token();
    while let Some(Waiting { reason, waited, total }) = notices.recv().await {
        let Some(token) = token.clone() else { continue };
        let left = total.saturating_sub(waited).as_secs_f64().ceil();
        let notice = ProgressNotificationParam::new(token, waited.as_secs_f64())
            .with_total(total.as_secs_f64())
            .with_message(match reason {
                WaitReason::Limit => format!("Waiting {left:.0} s for the request limit"),
                WaitReason::Pending => format!("Still pending; the next look is in {left:.0} s"),
            });
        // An error means that the client is gone; its call is cancelled elsewhere.
        drop(context.peer.notify_progress(notice).await);
    }
}
