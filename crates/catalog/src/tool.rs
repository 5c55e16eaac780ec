//! A tool as plain data: the format of an entry in `tools/`.
//!
//! The build script includes this file too, so it does not depend on the rest of the crate.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{checks::Check, request::Request};

/// Text from a file, or embedded in the program.
pub type Text = Cow<'static, str>;

/// A JSON Schema as written in a file.
pub(crate) type Input = Map<String, Value>;

/// A file of the catalog: the tools of one topic.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "the word of the files; the build script sees it as private")]
pub struct Toolset {
    /// Its name in `--toolsets`, the same as the file name.
    pub toolset: String,
    /// One sentence for people who choose toolsets.
    pub description: String,
    /// The tools, in the order in which clients see them.
    pub tools: Vec<Tool<Input>>,
}

/// A tool that an agent can call.
// `Input` is the schema in the file, or its form in the program.
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
    /// The API request of the tool. A tool of the `local` surface has none: the server answers it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How the server answers a call of a `local` tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Local>,
    /// The sentence that replaces the data in results, if one is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presents: Option<Presentation>,
    /// Words of people who do not know the name. For search; not shown in lists.
    #[serde(default)]
    pub keywords: Cow<'static, [Text]>,
    /// What a call can do to the account.
    pub effect: Effect,
    /// Where the arguments contain an amount of money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// The object that a call is about. A person who has to consent reads its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What a person has to know before the call: what starts at once, and what cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequence: Option<Text>,
    /// What must hold between arguments, beyond the schema.
    #[serde(default)]
    pub checks: Cow<'static, [Check]>,
    /// Whether calling twice has the same effect as calling once. Always true for a `read`.
    #[serde(default)]
    pub idempotent: bool,
    /// Where the request takes an idempotency key. The journal creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<IdempotencyKey>,
    /// Whether a rejection means that nothing changed. `false` if Scope3 can fail after a part of the work.
    #[serde(default = "yes")]
    pub atomic: bool,
    /// The read that shows whether a change of unknown outcome was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<Text>,
    /// Why no read shows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_settled: Option<Text>,
    /// How a successful response shows that nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<Unchanged>,
    /// A limit that counts in addition to the ordinary ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<SpecialLimit>,
    /// Whether the tool is in the default set.
    #[serde(default)]
    pub default: bool,
    /// JSON Schema 2020-12 of the arguments. Objects are closed: unknown arguments are rejected.
    #[serde(default)]
    pub input: Input,
}

fn yes() -> bool {
    true
}

impl<Input> Tool<Input> {
    /// Whether calling twice has the same effect as calling once.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent || self.effect == Effect::Read
    }

    /// Whether this server answers a call with `dryRun` itself: that of every change, unless the API has an argument of
    /// this name.
    #[must_use]
    pub fn has_dry_run(&self) -> bool {
        self.effect != Effect::Read && self.leaves_name(DRY_RUN)
    }

    /// Whether this server selects members of the result with `fields`: for every read, unless the API has an argument of
    /// this name.
    #[must_use]
    pub fn has_fields(&self) -> bool {
        self.effect == Effect::Read && self.leaves_name(FIELDS)
    }

    /// Whether the tool sends a request, and the API has no argument of this name.
    fn leaves_name(&self, name: &str) -> bool {
        let is_of_api = |request: &Request| request.bindings.iter().any(|binding| binding.argument == name);
        self.request.as_ref().is_some_and(|request| !is_of_api(request))
    }

    /// The same tool, with its input converted by `make`.
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
            subject,
            consequence,
            checks,
            idempotent,
            idempotency,
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
            subject,
            consequence,
            checks,
            idempotent,
            idempotency,
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
    /// Adds what a file may omit: the schema of a tool without arguments, and the default place of each argument.
    pub(crate) fn expand(&mut self) {
        if self.input.is_empty() {
            let none = [("type", json!("object")), ("properties", json!({}))];
            self.input = none.map(|(keyword, value)| (keyword.to_owned(), value)).into_iter().collect();
        }
        let arguments = self.input.get("properties").and_then(Value::as_object);
        if let Some(request) = &mut self.request {
            request.bind(arguments.into_iter().flat_map(Map::keys));
        }
        let (effect, has_dry_run) = (self.effect, self.has_dry_run());
        let Some(arguments) = self.input.get_mut("properties").and_then(Value::as_object_mut) else { return };
        // Other changes accept both without listing them: each listed argument costs every model that reads the list.
        if matches!(effect, Effect::Delete | Effect::Spend) {
            if has_dry_run {
                arguments.insert(DRY_RUN.to_owned(), json!({ "type": "boolean" }));
            }
            arguments.insert(
                CONFIRMATION.to_owned(),
                json!({ "type": "string", "description": CONFIRMATION_USE }),
            );
        }
    }
}

/// The argument of the gateway with which a caller confirms a change. It is not sent to the API.
pub const CONFIRMATION: &str = "confirmation";

/// The argument of the gateway with which a caller asks for the request of a change, without sending it.
pub const DRY_RUN: &str = "dryRun";

/// The argument of the gateway with which a caller selects members of a result.
pub const FIELDS: &str = "fields";

/// What agents read about the confirmation.
const CONFIRMATION_USE: &str = "Code from an earlier result";

/// Where a request takes an idempotency key, with the name that it has there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdempotencyKey {
    /// A member of the body.
    Body(Text),
    /// A header.
    Header(Text),
}

/// What a call can do to the account, from least to most in need of consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds or changes something that costs nothing by itself.
    Write,
    /// Removes something.
    Delete,
    /// Can commit money or accept a contract.
    Spend,
}

impl Effect {
    /// Its name in the catalog.
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

/// How the response to a change shows that nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unchanged {
    /// Path in the data of the value that is then 0 or empty.
    pub zero: Text,
    /// Arguments whose changes are not counted there.
    #[serde(default)]
    pub unless: Cow<'static, [Text]>,
}

impl Unchanged {
    /// Whether the response to a call with these arguments can show it.
    #[must_use]
    pub fn counts(&self, arguments: &Map<String, Value>) -> bool {
        !self.unless.iter().any(|name| arguments.contains_key(&**name))
    }

    /// Whether this response shows it.
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

/// How the server answers a local tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Local {
    /// With the usage of the limits.
    Usage,
    /// With the full definition of a tool.
    Describe,
    /// With a part of a result that was too long.
    Read,
}

/// A sentence that replaces the data in results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presentation {
    /// The owner of the key: `✅ Authenticated as …`.
    Whoami,
}

/// Where the arguments of a tool contain an amount of money, for caps and confirmations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Path of the amount in the arguments, such as `budget.total` or `tacticAdjustments[].budgetAllocation.amount`.
    pub amount: Text,
    /// Path of the ISO 4217 currency, if the arguments have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Text>,
    /// The unit of the amount. Scope3 uses both, even within one surface.
    pub unit: MoneyUnit,
    /// The amount that the new one replaces. Only the increase is committed. Without it, the whole amount is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaced>,
    /// The argument that starts spending. With it, the whole amount is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Start>,
    /// Arguments that change the amount in a way that only Scope3 can compute.
    #[serde(default)]
    pub unmeasured: Cow<'static, [Text]>,
}

/// An amount that a call replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Path of the id of its object in the arguments. It passes through the same list as the new amount.
    pub id: Text,
    /// Where to read the object.
    pub from: ReadOf,
    /// Path of the amount in the object, in the unit of the new one.
    pub amount: Text,
    /// Path of the currency in the object.
    pub currency: Text,
}

/// An argument that starts spending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The argument. The object that holds the replaced amount has a member of the same name.
    pub argument: Text,
    /// The value that starts it, unless the object has it already.
    pub is: Text,
}

/// The object that a call is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What it is, in words: `campaign`.
    pub kind: Text,
    /// The argument that has its id.
    pub id: Text,
    /// Where to read it. Without it, no read finds an object by this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ReadOf>,
    /// Path of its name in the object.
    #[serde(default = "name")]
    pub name: Text,
}

fn name() -> Text {
    Cow::Borrowed("name")
}

/// A read that finds an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadOf {
    /// A read of the same surface.
    pub read: Text,
    /// The arguments that are passed on to it.
    #[serde(default)]
    pub with: Cow<'static, [Text]>,
    /// Path of the object in its data, or of the list that contains the object.
    pub object: Text,
    /// The member of the list's items that has the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
}

/// The unit of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MoneyUnit {
    /// Hundredths of the unit, whatever the currency: 5000000 USD is $50,000.00 and 500000 JPY is ¥5,000.00.
    Hundredths,
    /// Currency units: 50000 is 50,000.00.
    Major,
}

/// A limit that counts in addition to the ordinary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpecialLimit {
    /// Data exports: 50 an hour for each key.
    Export,
}
