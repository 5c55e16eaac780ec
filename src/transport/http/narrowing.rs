//! What the headers of a request leave of the operator's selection of tools. They can only take away.
//!
//! | header | value |
//! |---|---|
//! | `X-Scope3-Read-Only` | `true`: only tools that change nothing |
//! | `X-Scope3-Toolsets` | only the tools of these toolsets, comma-separated |
//! | `X-Scope3-Tools` | only these tools, and those of the toolsets if they are named too |
//! | `X-Scope3-Exclude-Tools` | not these tools |

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use scope3_mcp_gateway::{
    catalog::{Catalog, echo},
    policy::{Narrowing, Selection, UnknownName},
};
use serde_json::{Value, json};

use super::{rejection::Rejection, state::ServerState};

const READ_ONLY: &str = "x-scope3-read-only";
const TOOLSETS: &str = "x-scope3-toolsets";
const TOOLS: &str = "x-scope3-tools";
const EXCLUDE_TOOLS: &str = "x-scope3-exclude-tools";

/// Attaches a [`Narrowing`] to a request whose headers ask for one.
pub(super) async fn narrow(
    State(state): State<Arc<ServerState>>,
    mut request: Request,
    next: Next,
) -> Response {
    match read(request.headers(), || state.gateway.catalog()) {
        Ok(None) => next.run(request).await,
        Ok(Some(narrowing)) => {
            request.extensions_mut().insert(narrowing);
            next.run(request).await
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// Reads the headers.
///
/// # Errors
/// If one is repeated, or has an invalid value. A header that cannot be understood must not be ignored: its client relies on
/// it.
fn read(headers: &HeaderMap, catalog: impl FnOnce() -> Catalog) -> Result<Option<Narrowing>, Rejection> {
    let read_only = single(headers, READ_ONLY)?;
    let (toolsets, tools) = (names(headers, TOOLSETS)?, names(headers, TOOLS)?);
    let exclude = names(headers, EXCLUDE_TOOLS)?;
    if read_only.is_none() && toolsets.is_none() && tools.is_none() && exclude.is_none() {
        return Ok(None);
    }
    let read_only = match read_only.map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let message = format!("`{READ_ONLY}`: expected `true` or `false`, got `{}`", echo(other));
            return Err(Rejection::new(StatusCode::BAD_REQUEST, message));
        }
    };
    // An empty list of tools leaves none.
    let toolsets = toolsets.or_else(|| tools.is_some().then(Vec::new));
    let (tools, exclude) = (tools.unwrap_or_default(), exclude.unwrap_or_default());
    let selection = Selection { toolsets, tools, exclude, read_only, ..Selection::default() };
    let catalog = catalog();
    let narrowing = Narrowing::new(&catalog, selection).map_err(|unknown| reject(&catalog, &unknown))?;
    Ok(Some(narrowing))
}

/// The value of a header that may be sent once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|_| values.next().is_none());
    text.map(Some).ok_or_else(|| {
        let message = format!("`{name}`: expected one header of visible ASCII characters");
        Rejection::new(StatusCode::BAD_REQUEST, message)
    })
}

fn names(headers: &HeaderMap, name: &str) -> Result<Option<Vec<String>>, Rejection> {
    let list = single(headers, name)?;
    let names = |list: &str| {
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    Ok(list.map(names))
}

/// The response to an unknown name, with the names that exist.
fn reject(catalog: &Catalog, unknown: &UnknownName) -> Rejection {
    let (header, mut valid): (_, Vec<&str>) = match unknown.setting {
        "toolsets" => {
            (TOOLSETS, catalog.entries().map(|entry| &*entry.toolset).chain(["all", "default"]).collect())
        }
        "tools" => (TOOLS, catalog.entries().map(|entry| &*entry.tool.name).collect()),
        _ => (EXCLUDE_TOOLS, catalog.entries().map(|entry| &*entry.tool.name).collect()),
    };
    valid.sort_unstable();
    valid.dedup();
    let valid: Vec<Value> = valid.into_iter().map(Value::from).collect();
    Rejection::new(StatusCode::BAD_REQUEST, format!("`{header}`: {}", unknown.problem()))
        .with_data(json!({ "valid": valid }))
}
