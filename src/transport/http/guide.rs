//! Responses on other paths than the endpoints: where the endpoints are, and that this server does not use OAuth.
//!
//! A rejected client may assume that OAuth would let it in, look for OAuth metadata and register. The response it gets
//! there is often all that its user sees.

use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{auth::Auth, negotiation::accepts};

const ENDPOINTS_TEXT: &str = "scope3-mcp: an MCP server.\n\n\
                         /mcp      Streamable HTTP: give clients this URL\n\
                         /sse      HTTP+SSE, for older clients\n\
                         /healthz  health\n";

/// The routes for paths that clients try by mistake.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(auth: &Auth) -> Router<S> {
    let credential = credential(auth);
    let no_oauth =
        move || std::future::ready(oauth_error(StatusCode::NOT_FOUND, "invalid_request", credential));
    let register = post(move || {
        std::future::ready(oauth_error(StatusCode::BAD_REQUEST, "invalid_client_metadata", credential))
    });
    let mut routes = Router::new()
        .route("/", get(root).fallback(not_found))
        .route("/register", register.fallback(no_oauth));
    for path in ["/authorize", "/token"] {
        routes = routes.route(path, any(no_oauth));
    }
    // Clients look for metadata of the server, and for metadata below and after the path of its endpoint.
    for kind in ["oauth-protected-resource", "oauth-authorization-server", "openid-configuration"] {
        for path in ["", "/{*endpoint}"] {
            routes = routes.route(&format!("/.well-known/{kind}{path}"), any(no_oauth));
        }
        for endpoint in ["/mcp", "/sse"] {
            routes = routes.route(&format!("{endpoint}/.well-known/{kind}"), any(no_oauth));
        }
    }
    routes.fallback(not_found)
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, ENDPOINTS_TEXT).into_response()
}

/// The root page. A client with a URL without a path asks here for a stream, and must not mistake this page for one.
async fn root(headers: HeaderMap) -> Response {
    if accepts(&headers, "text/plain") { ENDPOINTS_TEXT.into_response() } else { not_found().await }
}

/// What a client should send instead of OAuth credentials.
fn credential(auth: &Auth) -> &'static str {
    match auth {
        Auth::Key => {
            "This server does not use OAuth. Send your Scope3 API key with each request, as `Authorization: Bearer \
             scope3_...` or `x-scope3-api-key: scope3_...`."
        }
        Auth::Token(_) => {
            "This server does not use OAuth. Send `Authorization: Bearer <token>` with each request, with the token \
             that the operator of this server gave you."
        }
        Auth::None => "This server does not use OAuth and needs no credential. Connect without one.",
    }
}

/// An OAuth error (RFC 6749, section 5.2; RFC 7591, section 3.2.2).
fn oauth_error(status: StatusCode, error: &'static str, description: &'static str) -> Response {
    (status, Json(json!({ "error": error, "error_description": description }))).into_response()
}
