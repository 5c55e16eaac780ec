//! Webhooks (`src/tools/webhooks` of `scope3data/activation-api`).

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{ApiResponse, ApiResult, Call, Handler, external};
use crate::objects::webhooks::{Authentication, Endpoint, Filters, RetryPolicy, Webhook};

/// The handlers of these operations.
pub(super) fn handler(tool: &str) -> Option<Handler> {
    match tool {
        "webhook_register" => Some(register),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Register {
    brand_agent_id: String,
    endpoint: EndpointInput,
    event_types: Vec<String>,
    filters: Option<Filters>,
    #[serde(default)]
    retry_policy: RetryPolicy,
}

#[derive(Deserialize)]
struct EndpointInput {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    authentication: Option<Authentication>,
}

fn register(call: &mut Call<'_>) -> ApiResult {
    let input: Register = call.input()?;
    check(&input.endpoint.url)?;
    call.account.brand_agent(&input.brand_agent_id)?;
    let configuration = without_secrets(call.arguments().clone());
    let passed = external::is_reachable(&input.endpoint.url);
    let account = &mut *call.account;
    let now = account.clock.tick();
    let webhook = Webhook {
        id: account.ids.short("webhook"),
        brand_agent_id: input.brand_agent_id,
        endpoint: Endpoint {
            url: input.endpoint.url,
            method: input.endpoint.method.unwrap_or_else(|| "POST".to_owned()),
            headers: masked(input.endpoint.headers),
            authentication: input.endpoint.authentication,
        },
        event_types: input.event_types,
        filters: input.filters,
        status: "active",
        created_at: now,
        updated_at: now,
        retry_policy: input.retry_policy,
        consecutive_failures: (!passed).then_some(1),
    };
    let answer = ApiResponse::success(
        format!(
            "✅ **Webhook registered**: {} ({})\nTest event: {}",
            webhook.endpoint.url,
            webhook.id,
            if passed { "delivered (the sandbox sends nothing)" } else { external::UNREACHABLE },
        ),
        json!({
            "subscription": webhook,
            "testResult": test_result(passed),
            "configuration": configuration,
            "metadata": metadata(&webhook, passed),
        }),
    );
    account.webhooks.items.push(webhook);
    Ok(answer)
}

fn check(url: &str) -> ApiResult<()> {
    let reject = |why| {
        Err(ApiResponse::bad_request(format!("Failed to register webhook: Invalid webhook endpoint: {why}")))
    };
    match Url::parse(url) {
        Err(_) => reject("Invalid URL format"),
        Ok(url) if url.scheme() != "https" => reject("Webhook URLs must use HTTPS"),
        Ok(url) if external::is_private(&url) => {
            reject("Webhook URLs cannot point to private/local addresses")
        }
        Ok(_) => Ok(()),
    }
}

fn test_result(passed: bool) -> Value {
    if passed {
        json!({"success": true, "statusCode": 200})
    } else {
        json!({"success": false, "error": external::UNREACHABLE})
    }
}

fn metadata(webhook: &Webhook, passed: bool) -> Value {
    let filters = webhook.filters.as_ref();
    let mut metadata = json!({
        "authenticationEnabled": webhook.endpoint.authentication.is_some(),
        "campaignFiltered": filters.is_some_and(|filters| !filters.campaigns.is_empty()),
        "eventTypeCount": webhook.event_types.len(),
        "hasFilters": filters.is_some(),
        "httpMethod": webhook.endpoint.method,
        "metricFiltered": filters.is_some_and(|filters| !filters.metrics.is_empty()),
        "minSeveritySet": filters.is_some_and(|filters| filters.min_severity.is_some()),
        "subscriptionId": webhook.id,
        "testPassed": passed,
        "webhookUrl": webhook.endpoint.url,
    });
    if let Some(authentication) = &webhook.endpoint.authentication {
        metadata["authType"] = json!(authentication.r#type);
    }
    metadata
}

/// The input without credentials and header values. Scope3's code repeats them; the sandbox does not, because responses
/// reach models and logs.
fn without_secrets(mut arguments: Value) -> Value {
    if let Some(Value::Object(authentication)) = arguments.pointer_mut("/endpoint/authentication") {
        authentication.remove("credentials");
    }
    if let Some(Value::Object(headers)) = arguments.pointer_mut("/endpoint/headers") {
        *headers = masked(std::mem::take(headers));
    }
    arguments
}

fn masked(headers: Map<String, Value>) -> Map<String, Value> {
    headers.into_iter().map(|(name, _)| (name, "***".into())).collect()
}
