//! A tool as plain data: what one entry of a file in `tools/` says.
//!
//! The build script includes this file too, so it stands by itself: it reads and describes entries, and knows
//! neither the rest of the crate nor how a tool is called.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A text of a file, or of the program that it was built into.
pub type Text = Cow<'static, str>;

/// A JSON Schema as it stands in a file.
pub(crate) type Input = Map<String, Value>;

/// A file of the catalogue: the tools of one theme.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "the word of the files; the build script sees it as private")]
pub struct Toolset {
    /// The name that `--toolsets` takes, equal to the file's.
    pub toolset: String,
    /// One sentence for people who choose toolsets.
    pub description: String,
    /// The tools, in the order in which clients see them.
    pub tools: Vec<Tool<Input>>,
}

/// A tool that an agent can call.
// `Input` is the schema of the file, or what the program makes of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "Input: Default + Deserialize<'de>"))]
#[schemars(rename = "Tool", bound = "Input: Default + JsonSchema + Serialize")]
pub struct Tool<Input> {
    /// Scope3's operation name in `snake_case`, at most 50 characters of `a-z0-9_`.
    pub name: Text,
    /// The name for people.
    pub title: Text,
    /// What an agent reads: what the tool does, needs and returns, its units and side effects.
    pub description: Text,
    /// The API request behind it. A tool of the `local` surface has none: the server answers it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How the server answers a tool of the `local` surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Local>,
    /// The sentence that the answer is shown as, where one is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presents: Option<Sentence>,
    /// What people say who do not know the name. For finding, not shown in lists.
    #[serde(default)]
    pub keywords: Cow<'static, [Text]>,
    /// What a call can do to the account.
    pub effect: Effect,
    /// Where the arguments say how much money moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// Whether calling twice does no more than calling once. Every `read` is, whatever stands here.
    #[serde(default)]
    pub idempotent: bool,
    /// Whether a refusal means that nothing was changed: `false` where Scope3 may fail after a part of the work.
    #[serde(default = "yes")]
    pub atomic: bool,
    /// The read that shows whether a change of unknown outcome was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<Text>,
    /// Why no read shows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_settled: Option<Text>,
    /// The limit that counts besides the ordinary ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<SpecialLimit>,
    /// Whether it is offered when the operator chooses nothing.
    #[serde(default)]
    pub default: bool,
    /// JSON Schema 2020-12 of the arguments. Objects are closed: an argument it does not name is refused.
    #[serde(default)]
    pub input: Input,
}

fn yes() -> bool {
    true
}

impl<Input> Tool<Input> {
    /// Whether calling twice does no more than calling once.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent || self.effect == Effect::Read
    }

    /// The same tool with what `make` makes of its input.
    pub(crate) fn map_input<Made>(self, make: impl FnOnce(Input) -> Made) -> Tool<Made> {
        let Self {
            name,
            title,
            description,
            request,
            answers,
            presents,
            keywords,
            effect,
            money,
            idempotent,
            atomic,
            settled_by,
            not_settled,
            limit,
            default,
            input,
        } = self;
        Tool {
            name,
            title,
            description,
            request,
            answers,
            presents,
            keywords,
            effect,
            money,
            idempotent,
            atomic,
            settled_by,
            not_settled,
            limit,
            default,
            input: make(input),
        }
    }
}

/// What a call can do to the account. Ordered by how much a person would want to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds or changes something that costs nothing by itself.
    Write,
    /// Takes something away.
    Delete,
    /// Can commit money or accept a contract.
    Spend,
}

impl Effect {
    /// The word of the catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Spend => "spend",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How the server answers a tool by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Local {
    /// With what is used and left of the limits.
    Usage,
    /// With a tool in full.
    Describe,
}

/// A sentence that is shown in place of an answer's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sentence {
    /// Whose key it is: `✅ Authenticated as …`.
    Whoami,
}

/// Where the arguments of a tool say how much money moves, for caps and confirmations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Path of the amount in the arguments, such as `budget.total` or `tacticAdjustments[].budgetAllocation.amount`.
    pub amount: Text,
    /// Path of the ISO 4217 currency, where the arguments have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Text>,
    /// What the amount counts. Scope3 uses both, even within one surface.
    pub unit: MoneyUnit,
}

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MoneyUnit {
    /// Cents: 5000000 is 50,000.00.
    Minor,
    /// Currency units: 50000 is 50,000.00.
    Major,
}

/// A limit that counts besides the ordinary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpecialLimit {
    /// Data exports: 50 an hour for each key.
    Export,
}

/// An API request as the catalogue writes it: `POST /campaign-create`, `GET /prebid-segmentss/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path below the surface's base URL, with `{name}` where an argument goes.
    pub path: Text,
}

impl Request {
    /// The names of the arguments that go into the path, in order.
    pub fn path_arguments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let wrong = |why| RequestError { text: text.to_owned(), why };
        let (method, path) = text.split_once(' ').ok_or(wrong("a method, a blank and a path are wanted"))?;
        let method = Method::ALL
            .into_iter()
            .find(|m| m.as_str() == method)
            .ok_or(wrong("the method is one of GET, POST, PUT, PATCH, DELETE"))?;
        if !path.starts_with('/') {
            return Err(wrong("the path starts with `/`"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let placeholders_whole = path.split('/').all(|segment| {
            segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')).unwrap_or(segment).chars().all(plain)
        });
        if !placeholders_whole {
            return Err(wrong("a path has letters, digits, `-_.` and whole `{name}` segments"));
        }
        Ok(Self { method, path: Cow::Owned(path.to_owned()) })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path)
    }
}

impl TryFrom<String> for Request {
    type Error = RequestError;

    fn try_from(text: String) -> Result<Self, RequestError> {
        text.parse()
    }
}

impl From<Request> for String {
    fn from(request: Request) -> Self {
        request.to_string()
    }
}

/// A request line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no request: {why}")]
pub struct RequestError {
    text: String,
    why: &'static str,
}

/// The HTTP methods that Scope3 uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Arguments travel as the query.
    Get,
    /// Arguments travel as a JSON body.
    Post,
    /// Arguments travel as a JSON body.
    Put,
    /// Arguments travel as a JSON body.
    Patch,
    /// Arguments travel as the query.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// As it stands in a request line.
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

    /// Whether the arguments that are not in the path travel as the query.
    #[must_use]
    pub fn sends_query(self) -> bool {
        matches!(self, Self::Get | Self::Delete)
    }
}
