//! A contract: what a published OpenAPI document says about the operations of an API, without its prose.
//!
//! `scope3-mcp catalog import` writes it as `tools/<surface>/contract.json`, and the build joins it with our words. The
//! build script includes this file too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::{Place, Request};

/// The facts of a published document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The version that the document states.
    pub version: String,
    /// The base URL of the operations that do not name another.
    pub server: String,
    /// The operations by their ids.
    pub operations: BTreeMap<String, Operation>,
    /// The schemas that requests share, by name. References have the form `#/$defs/<name>`.
    #[serde(rename = "$defs", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<String, Value>,
}

/// An operation of an API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its method and path, without bindings.
    pub request: Request,
    /// The path of its base URL, if that is not the path of `server`. Empty for the root of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Its parameters, in the order of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Its body, if it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The digest of its description. A change under the same name shows in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The kind of its successful response.
    #[serde(default, skip_serializing_if = "Answer::is_json")]
    pub answer: Answer,
    /// Whether it may answer 202: the work is accepted and not yet done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub accepted: bool,
}

/// A parameter in the path, the query or a header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the request.
    pub name: String,
    /// The part of the request.
    #[serde(rename = "in")]
    pub place: Place,
    /// Whether a request must have it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether a list is repeated, as in `a=1&a=2`, instead of joined by commas.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub explode: bool,
    /// The schema of its value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub schema: Map<String, Value>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// Its content type.
    #[serde(rename = "type", default = "json", skip_serializing_if = "is_json")]
    pub content_type: String,
    /// Whether a request must have it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// The schema of its value.
    pub schema: Map<String, Value>,
}

/// The kind of a successful response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// JSON.
    #[default]
    Json,
    /// A PDF document.
    Pdf,
    /// Comma-separated values.
    Csv,
    /// Other text.
    Text,
    /// Nothing.
    Empty,
}

impl Answer {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

/// The content type of JSON, which contracts omit.
pub(crate) const JSON: &str = "application/json";

fn json() -> String {
    JSON.to_owned()
}

fn is_json(content_type: &str) -> bool {
    content_type == JSON
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !*value
}
