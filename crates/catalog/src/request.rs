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
#[serde(try_from = "RequestFormat")]
#[schemars(with = "RequestFormat")]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path below the surface's base URL, with `{name}` where an argument goes.
    pub path: Text,
    /// The path of the base URL, where it is not that of the surface: `/api/v2`, or nothing for the root of the host.
    pub base: Option<Text>,
    /// Whether the request has a JSON body, even an empty one. Without it, the method decides.
    pub body: Option<bool>,
    /// Where each argument goes. Complete after the build has expanded the tool.
    pub bindings: Cow<'static, [Binding]>,
}

/// In a binding, all arguments that no other binding names. Each keeps its name.
pub const OTHERS: &str = "*";

/// Where one argument goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The argument's name, or [`OTHERS`].
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
    /// A file, as a part of a `multipart/form-data` body.
    File,
}

impl Place {
    /// Whether it is in a `multipart/form-data` body.
    #[must_use]
    pub fn is_in_form(self) -> bool {
        matches!(self, Self::Part | Self::File)
    }
}

/// How a list is written in the query or a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// `status=A&status=B`.
    #[default]
    Repeat,
    /// `status=A,B`.
    Comma,
}

/// A request in a catalog file.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Request")]
enum RequestFormat {
    /// Method and path: `GET /prebid-segmentss/{id}`.
    Line(String),
    /// Method and path, and the arguments that do not go to their default place.
    WithBindings(RequestWithBindings),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RequestWithBindings {
    /// Method and path.
    line: String,
    /// The arguments that do not go to their default place.
    bindings: Vec<BindingFormat>,
}

/// An argument that does not go to its default place.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BindingFormat {
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
    #[allow(dead_code, reason = "only readers of the file need it")]
    reason: String,
}

impl Request {
    /// The names in the path's template, in order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(parameter_name)
    }

    /// The arguments that are files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.bindings.iter().filter(|binding| binding.place == Place::File).map(|binding| &*binding.argument)
    }

    /// Adds the default binding for each of these arguments that has no binding.
    pub fn bind<'a>(&mut self, arguments: impl Iterator<Item = &'a String>) {
        let defaults: Vec<Binding> = arguments
            .filter(|argument| !self.bindings.iter().any(|binding| binding.argument == **argument))
            .map(|argument| Binding {
                argument: argument.clone().into(),
                place: self.default_place(argument),
                name: argument.clone().into(),
                style: Style::default(),
            })
            .collect();
        self.bindings.to_mut().extend(defaults);
    }

    fn default_place(&self, argument: &str) -> Place {
        if self.path_parameters().any(|name| name == argument) {
            Place::Path
        } else if self.method.has_body() {
            Place::Body
        } else {
            Place::Query
        }
    }
}

/// The parameter's name in a path segment `{name}`.
pub(crate) fn parameter_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let error = |why| RequestError { text: text.to_owned(), why };
        let (method, path) = text.split_once(' ').ok_or(error("expected a method, a space and a path"))?;
        let method = Method::ALL
            .into_iter()
            .find(|known| known.as_str() == method)
            .ok_or(error("expected one of GET, POST, PUT, PATCH and DELETE"))?;
        if !path.starts_with('/') {
            return Err(error("expected a path that starts with `/`"));
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
        if !path.split('/').all(|segment| parameter_name(segment).unwrap_or(segment).chars().all(is_allowed))
        {
            return Err(error("expected a path of letters, digits, `-_.:` and whole `{name}` segments"));
        }
        Ok(Self {
            method,
            path: Cow::Owned(path.to_owned()),
            base: None,
            body: None,
            bindings: Cow::Borrowed(&[]),
        })
    }
}

impl TryFrom<RequestFormat> for Request {
    type Error = RequestError;

    fn try_from(format: RequestFormat) -> Result<Self, RequestError> {
        let RequestWithBindings { line, bindings } = match format {
            RequestFormat::Line(line) => return line.parse(),
            RequestFormat::WithBindings(request) => request,
        };
        let bindings = bindings.into_iter().map(|BindingFormat { argument, place, name, style, .. }| {
            Binding { name: name.unwrap_or_else(|| argument.clone()), argument, place, style }
        });
        Ok(Self { bindings: bindings.collect(), ..line.parse()? })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path)
    }
}

/// Writes only the request line. Readers of the catalog do not need the bindings.
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

    /// Whether a request of this method has a body by default.
    #[must_use]
    pub fn has_body(self) -> bool {
        !self.sends_query()
    }

    /// Whether arguments that are not in the path go into the query by default.
    #[must_use]
    pub fn sends_query(self) -> bool {
        matches!(self, Self::Get | Self::Delete)
    }
}
