//! The access log and the metrics of requests. Both contain the route, but no other part of the path, no query and no
//! session id. At `debug`, the log contains the path of a request that matches no route.

use std::time::Instant;

use axum::{extract::Request, middleware::Next, response::Response};
use http::Method;
use metrics::{counter, histogram};
use scope3_mcp_gateway::redaction::Redactor;

use super::{
    auth::{self, Owner},
    metrics::{REQUEST_SECONDS, REQUESTS},
};

/// The label of requests that match no route.
const OTHER_ROUTE: &str = "other";

/// The maximum length of a logged path, in bytes.
const MAX_PATH_BYTES: usize = 64;

/// Logs and measures a request when its response begins. A stream may last much longer.
pub(super) async fn log_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = route_label(request.uri().path());
    let path = (route == OTHER_ROUTE).then(|| {
        let redactor = Redactor::with(&auth::sent_key(request.headers()));
        loggable_path(&redactor.redact(request.uri().path()))
    });
    let method = method_label(request.method());
    let has_session = request.headers().contains_key("mcp-session-id") || route == "/messages";
    let response = next.run(request).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let caller = response.extensions().get::<Owner>().map_or_else(|| "-".to_owned(), ToString::to_string);
    if matches!(route, "/healthz" | "/readyz" | "/metrics") && status < 400 {
        tracing::debug!(method, route, status, ms, "request");
    } else {
        tracing::info!(method, route, status, ms, caller, has_session, "request");
    }
    if let Some(path) = path
        && status == 404
    {
        tracing::debug!(method, path, status, "unknown path");
    }
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    counter!(REQUESTS, &labels).increment(1);
    histogram!(REQUEST_SECONDS, "route" => route).record(elapsed);
    response
}

fn route_label(path: &str) -> &'static str {
    let routes = ["/mcp", "/sse", "/messages", "/healthz", "/readyz", "/metrics"];
    routes.into_iter().find(|route| *route == path).unwrap_or(OTHER_ROUTE)
}

/// The part of a path that may be logged: its start, up to anything that may be a key.
fn loggable_path(path: &str) -> String {
    let path = path.find("scope3_").map_or(path, |key| &path[..key]);
    path[..path.floor_char_boundary(MAX_PATH_BYTES)].to_owned()
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_path_is_cut_and_contains_no_key() {
        assert_eq!(loggable_path("/v1/mcp"), "/v1/mcp");
        assert_eq!(loggable_path(&format!("/{}", "é".repeat(100))), format!("/{}", "é".repeat(31)));
        assert_eq!(loggable_path("/mcp/scope3_abc_secret/x"), "/mcp/");
    }
}
