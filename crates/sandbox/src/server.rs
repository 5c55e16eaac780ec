//! The HTTP server: routes from the catalog, and the checks of every request before its handler runs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderValue, Method as HttpMethod, StatusCode, header::DATE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on},
};
use scope3_mcp_catalog::{Catalog, Method, Surface};
use serde_json::{Value, json};

use crate::{
    Options,
    clock::Clock,
    customers::{self, AuthError},
    fault::{self, Faults},
    handlers, input,
    rate_limit::RateLimiter,
    response::{ApiResponse, ApiResult},
    v2::{self, Incoming, Interchange},
    world::World,
};

/// The path of the Campaign API's root, as in Scope3's URLs.
pub(crate) const ROOT: &str = "/rest/v1";

/// The maximum size of a request body.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The arguments in a path, or an error if they are not UTF-8.
type PathResult = Result<RawPathParams, RawPathParamsRejection>;

struct App {
    catalog: Catalog,
    latency: Duration,
    faults: Mutex<Faults>,
    rate_limiter: Option<Mutex<RateLimiter>>,
    clock: Clock,
    as_published: bool,
    world: Mutex<World>,
    interchange: Interchange,
}

/// The router, with one route for each tool of the Campaign API. All paths outside of it belong to the Interchange.
pub(crate) fn router(options: &Options, catalog: Catalog) -> Router {
    let mut router = Router::new().route(ROOT, get(about));
    for entry in catalog.entries().filter(|entry| entry.surface == Surface::Campaign) {
        let Some(request) = &entry.tool.request else { continue };
        let tool = entry.tool.name.clone();
        let route = format!("{ROOT}{}", request.path);
        let method = method_filter(request.method);
        let handle = move |State(app): State<Arc<App>>, path: PathResult, request: Request| async move {
            let path = path.map_err(|_| ApiResponse::no_such_path(request.uri().path()));
            match path {
                Ok(path) => app.handle(&tool, &path, request).await.unwrap_or_else(|error| error),
                Err(error) => error,
            }
        };
        router = router.route(&route, on(method, handle));
    }
    let clock = Clock::new(options.now);
    let app = Arc::new(App {
        latency: options.latency,
        faults: Mutex::new(Faults::new(&options.faults)),
        rate_limiter: options.rate_limit.map(|rate| Mutex::new(RateLimiter::new(rate))),
        world: Mutex::new(World::new(&clock, options.as_published)),
        interchange: Interchange::new(&catalog, &clock),
        clock,
        as_published: options.as_published,
        catalog,
    });
    router
        .fallback(elsewhere)
        .method_not_allowed_fallback(|method: HttpMethod| async move {
            ApiResponse::wrong_method(method.as_str())
        })
        .layer(from_fn_with_state(app.clone(), middleware))
        .with_state(app)
}

fn method_filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// Whether a path belongs to the Campaign API.
fn is_v1(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request whose path is not that of a tool of the Campaign API.
async fn elsewhere(State(app): State<Arc<App>>, request: Request) -> Response {
    if is_v1(request.uri().path()) {
        return ApiResponse::no_such_path(request.uri().path()).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await;
    let incoming = Incoming {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: body.as_deref().ok(),
    };
    app.interchange.respond(&incoming, app.rate_limiter.as_ref())
}

async fn about() -> impl IntoResponse {
    Json(json!({
        "name": "scope3-mcp sandbox",
        "api": "Campaign API v1",
        "message": "A sandbox inside scope3-mcp that simulates Scope3's Campaign API: invented data, no real spend.",
    }))
}

/// Applies the latency and the faults to every request, and marks every response as the sandbox's. Faults come first,
/// so a request with a simulated fault has no effect.
async fn middleware(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !app.latency.is_zero() {
        tokio::time::sleep(app.latency).await;
    }
    let fault = lock(&app.faults).next();
    let mut response = match fault {
        // A proxy in front of either API answers with the same pages.
        Some(status @ (StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)) => {
            fault::response(status, app.clock.now())
        }
        Some(status) if is_v1(request.uri().path()) => fault::response(status, app.clock.now()),
        Some(status) => v2::fault(status),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert("x-scope3-sandbox", HeaderValue::from_static("true"));
    // For clients that compare the times in a response with the server's clock.
    if let Some(date) = app.clock.now().http_date().and_then(|date| date.parse().ok()) {
        headers.insert(DATE, date);
    }
    response
}

impl App {
    async fn handle(&self, tool: &str, path: &RawPathParams, request: Request) -> ApiResult {
        let customer = customers::identify(request.headers()).map_err(|error| match error {
            AuthError::MissingKey => ApiResponse::missing_key(),
            AuthError::UnknownKey => ApiResponse::invalid_key(),
        })?;
        if let Some(limiter) = &self.rate_limiter {
            lock(limiter)
                .acquire(customer.id, Instant::now())
                .map_err(|wait| ApiResponse::rate_limited(wait, self.clock.now()))?;
        }
        let arguments = arguments(path, request).await?;
        let (Some(entry), Some(handler)) =
            (self.catalog.get(tool), handlers::handler(tool, self.as_published))
        else {
            return Err(ApiResponse::not_implemented(tool));
        };
        let arguments = input::check(entry, arguments)?;
        lock(&self.world).serve(customer.id, arguments, handler)
    }
}

/// The arguments of a request: from its path and query for GET and DELETE, otherwise from its path and body.
async fn arguments(path: &RawPathParams, request: Request) -> ApiResult<Value> {
    let sends_query = matches!(*request.method(), HttpMethod::GET | HttpMethod::DELETE);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = body(request.into_body()).await?;
    let mut arguments = if sends_query {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
    } else {
        input::read(&body)?
    };
    if let Value::Object(arguments) = &mut arguments {
        arguments.extend(path.iter().map(|(name, value)| (name.to_owned(), value.into())));
    }
    Ok(arguments)
}

async fn body(body: Body) -> ApiResult<Vec<u8>> {
    to_bytes(body, MAX_BODY_BYTES).await.map(Into::into).map_err(|_| ApiResponse::too_large())
}

/// Locks a mutex. It ignores poisoning, so that a handler that panics does not fail all later requests.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
