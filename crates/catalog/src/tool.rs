//! A tool as plain data: what one entry of a file in `tools/` says.
//!
//! The build script includes this file too, so it stands by itself: it reads and describes entries, and knows
//! neither the rest of the crate nor how a tool is called.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{checks::Check, request::Request};

/// A text of a file, or of the program that it was built into.
pub type Text = Cow<'static, str>;

/// A JSON Schema as it stands in a file.
pub(crate) type Input = Map<String, Value>;

/// A file of the catalog: the tools of one theme.
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
    /// What must hold between arguments, beyond the schema.
    #[serde(default)]
    pub checks: Cow<'static, [Check]>,
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
    /// How an answer that reports success says that nothing was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<Unchanged>,
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
            checks,
            idempotent,
            atomic,
            settled_by,
            not_settled,
            unchanged,
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
            checks,
            idempotent,
            atomic,
            settled_by,
            not_settled,
            unchanged,
            limit,
            default,
            input: make(input),
        }
    }
}

impl Tool<Input> {
    /// Writes out what a file may leave to the rule: the schema of a tool without arguments, and where each argument
    /// goes.
    pub(crate) fn expand(&mut self) {
        if self.input.is_empty() {
            let none = [("type", json!("object")), ("properties", json!({}))];
            self.input = none.map(|(keyword, value)| (keyword.to_owned(), value)).into_iter().collect();
        }
        let arguments = self.input.get("properties").and_then(Value::as_object);
        if let Some(request) = &mut self.request {
            request.bind(arguments.into_iter().flat_map(Map::keys));
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
    /// The word of the catalog.
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

/// How the answer of a change says that it changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unchanged {
    /// Path in the answer's data of what is 0, or empty, then.
    pub zero: Text,
    /// Arguments whose change is not counted there.
    #[serde(default)]
    pub unless: Cow<'static, [Text]>,
}

impl Unchanged {
    /// Whether the answer to a call with these arguments can say it.
    #[must_use]
    pub fn counts(&self, arguments: &Map<String, Value>) -> bool {
        !self.unless.iter().any(|name| arguments.contains_key(&**name))
    }

    /// Whether this answer says it.
    #[must_use]
    pub fn is_said_by(&self, data: &Map<String, Value>) -> bool {
        let (first, rest) = self.zero.split_once('.').unwrap_or((&self.zero, ""));
        let steps = rest.split('.').filter(|step| !step.is_empty());
        match steps.fold(data.get(first), |value, step| value?.get(step)) {
            Some(Value::Number(number)) => number.as_f64() == Some(0.0),
            Some(Value::Array(items)) => items.is_empty(),
            _ => false,
        }
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
    /// Hundredths of the unit, whatever the currency: 5000000 USD is $50,000.00 and 500000 JPY is ¥5,000.00.
    Hundredths,
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
