//! An API request as plain data: its method, its path, and where each argument goes.
//!
//! The build script includes this file too, so it does not depend on the rest of the crate.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tool::Text;

/// An API request. A catalog file has `POST /campaign-create` or `GET /prebid-segmentss/{id}`. By default, an argument goes
/// into the path if that has `{argument}`, else into the query of a GET or DELETE, else into the JSON body. `bindings` lists
/// the arguments that go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path below the surface's base URL, with `{name}` where an argument goes.
    pub path: Text,
    /// Where each argument goes. Complete after the build has expanded the tool.
    pub bindings: Cow<'static, [Binding]>,
}

/// Where one argument goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The argument's name.
    pub argument: Text,
    /// The part of the request.
    pub place: Place,
    /// Its name there.
    pub name: Text,
    /// How a list is written in the query or a header.
    pub style: Style,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A segment of the path.
    Path,
    /// A parameter of the query.
    Query,
    /// A header.
    Header,
    /// A member of the JSON body.
    Body,
    /// A part of a `multipart/form-data` body.
    Part,
}

/// How a list is written in a query or a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// `status=A&status=B`.
    #[default]
    Repeat,
    /// `status=A,B`.
    Comma,
}

/// The two ways to write a request.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Request")]
enum Written {
    /// Method and path: `GET /prebid-segmentss/{id}`.
    Line(String),
    /// The same, and where some arguments go instead.
    Bound(Bound),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bound {
    /// Method and path.
    line: String,
    /// The arguments that do not go to their default place.
    bindings: Vec<Exception>,
}

/// An argument that does not go to its default place.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// The argument's name.
    argument: Text,
    /// The part of the request it goes into.
    place: Place,
    /// Its name there, if it differs.
    name: Option<Text>,
    /// How a list is written in the query or a header.
    #[serde(default)]
    style: Style,
    /// Why it goes there.
    #[allow(dead_code, reason = "for the reader of the file, who must be given one")]
    reason: String,
}

impl Request {
    /// The names in the path's template, in order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(parameter)
    }

    /// Adds the default binding for each of these arguments that has none.
    pub fn bind<'a>(&mut self, arguments: impl Iterator<Item = &'a String>) {
        let by_rule: Vec<Binding> = arguments
            .filter(|argument| !self.bindings.iter().any(|binding| binding.argument == **argument))
            .map(|argument| Binding {
                argument: argument.clone().into(),
                place: self.usual_place(argument),
                name: argument.clone().into(),
                style: Style::default(),
            })
            .collect();
        self.bindings.to_mut().extend(by_rule);
    }

    fn usual_place(&self, argument: &str) -> Place {
        if self.path_parameters().any(|name| name == argument) {
            Place::Path
        } else if self.method.has_body() {
            Place::Body
        } else {
            Place::Query
        }
    }
}

/// The name of a path segment `{name}`.
pub(crate) fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let wrong = |why| RequestError { text: text.to_owned(), why };
        let (method, path) = text.split_once(' ').ok_or(wrong("expected a method, a space and a path"))?;
        let method = Method::ALL
            .into_iter()
            .find(|m| m.as_str() == method)
            .ok_or(wrong("expected one of GET, POST, PUT, PATCH and DELETE"))?;
        if !path.starts_with('/') {
            return Err(wrong("expected a path that starts with `/`"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if !path.split('/').all(|segment| parameter(segment).unwrap_or(segment).chars().all(plain)) {
            return Err(wrong("expected a path of letters, digits, `-_.` and whole `{name}` segments"));
        }
        Ok(Self { method, path: Cow::Owned(path.to_owned()), bindings: Cow::Borrowed(&[]) })
    }
}

impl TryFrom<Written> for Request {
    type Error = RequestError;

    fn try_from(written: Written) -> Result<Self, RequestError> {
        let Bound { line, bindings } = match written {
            Written::Line(line) => return line.parse(),
            Written::Bound(bound) => bound,
        };
        let bindings = bindings.into_iter().map(|Exception { argument, place, name, style, .. }| Binding {
            name: name.unwrap_or_else(|| argument.clone()),
            argument,
            place,
            style,
        });
        Ok(Self { bindings: bindings.collect(), ..line.parse()? })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path)
    }
}

/// The request line. Where the arguments go is for this program alone.
impl Serialize for Request {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not a valid request line.
#[derive(Debug, thiserror::Error)]
#[error("invalid request `{text}`: {why}")]
pub struct RequestError {
    text: String,
    why: &'static str,
}

/// The HTTP methods that Scope3 uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// Its name in a request line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request of this method carries a body by rule.
    #[must_use]
    pub fn has_body(self) -> bool {
        !self.sends_query()
    }

    /// Whether arguments that are not in the path are sent in the query by rule.
    #[must_use]
    pub fn sends_query(self) -> bool {
        matches!(self, Self::Get | Self::Delete)
    }
}
