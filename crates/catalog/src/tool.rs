//! A tool as plain data: the format of an entry in `tools/`.
//!
//! The build script includes this file too, so it does not depend on the rest of the crate.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    checks::Check,
    request::Request,
    response::{Partial, Pending, Unchanged},
    words::{Correction, EffectWhen, Money, Removes, SameAs, SignedUpload, Spends, Subject},
};

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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "Input: Default + Deserialize<'de>"))]
#[schemars(rename = "Tool", bound = "Input: Default + JsonSchema + Serialize")]
pub struct Tool<Input> {
    /// Scope3's operation name in `snake_case`, at most 50 characters of `a-z0-9_`.
    pub name: Text,
    /// The name for people.
    pub title: Text,
    /// What an agent reads: what the tool does, needs and returns, its units and side effects.
    pub description: Text,
    /// The id of the operation in the surface's contract, if it is not the name. Without a contract, `request` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Text>,
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
    /// A tool that does the same. For the journal, a call of either is the same change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<SameAs>,
    /// The file that goes to a signed URL of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_upload: Option<SignedUpload>,
    /// The list that a call replaces as a whole. A person who has to consent reads what is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removes: Option<Removes>,
    /// What a person has to know before the call: what starts at once, and what cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequence: Option<Text>,
    /// Arguments that make a call stronger than `effect`.
    #[serde(default)]
    pub effect_when: Cow<'static, [EffectWhen]>,
    /// The read that tells how much a call commits, where its arguments contain no amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spends: Option<Spends>,
    /// How a successful response reports that something failed inside.
    #[serde(default)]
    pub partial: Cow<'static, [Partial]>,
    /// Paths of arguments with which a model would confirm for itself. The server sets them after a person's consent.
    #[serde(default)]
    pub by_consent: Cow<'static, [Text]>,
    /// Where a person does this, for an operation that is closed to API keys. Nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Text>,
    /// Paths of arguments that journal, log and previews must not show.
    #[serde(default)]
    pub secrets: Cow<'static, [Text]>,
    /// Paths in the data of a response of what only repeats or bloats it.
    #[serde(default)]
    pub drop: Cow<'static, [Text]>,
    /// What to say when the list of a response is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<Text>,
    /// How a response of this read shows that the work it tells about is not done. `wait_for` reads it again until it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
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
    /// Our words for the arguments of an operation, by path. The build moves them into `input`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// Where the published document is wrong. The build applies them to `input`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<Correction>,
    /// JSON Schema 2020-12 of the arguments. Objects are closed: unknown arguments are rejected.
    #[serde(default)]
    pub input: Input,
}

fn yes() -> bool {
    true
}

impl<Input> Tool<Input> {
    /// The names of tools in the entry: its own, and those of the reads that it names.
    pub(crate) fn names_of_tools(&mut self) -> impl Iterator<Item = &mut Text> {
        let replaced = self.money.as_mut().and_then(|money| money.replaces.as_mut());
        let subject = self.subject.as_mut().and_then(|subject| subject.from.as_mut());
        let (same, other) = self.same_as.as_mut().map(|same| (&mut same.tool, same.id.as_mut())).unzip();
        [
            Some(&mut self.name),
            same,
            other.flatten().map(|id| &mut id.from.read),
            self.settled_by.as_mut(),
            self.spends.as_mut().map(|spends| &mut spends.tool),
            replaced.map(|old| &mut old.from.read),
            subject.map(|from| &mut from.read),
            self.removes.as_mut().map(|removes| &mut removes.from.read),
        ]
        .into_iter()
        .flatten()
    }

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
            operation,
            request,
            answers,
            presents,
            keywords,
            effect,
            effect_when,
            money,
            subject,
            same_as,
            signed_upload,
            removes,
            consequence,
            spends,
            partial,
            by_consent,
            person,
            secrets,
            drop,
            empty,
            pending,
            checks,
            idempotent,
            idempotency,
            atomic,
            settled_by,
            not_settled,
            unchanged,
            limit,
            default,
            arguments,
            corrections,
            input,
        } = self;
        Tool {
            name,
            title,
            description,
            operation,
            request,
            answers,
            presents,
            keywords,
            effect,
            effect_when,
            money,
            subject,
            same_as,
            signed_upload,
            removes,
            consequence,
            spends,
            partial,
            by_consent,
            person,
            secrets,
            drop,
            empty,
            pending,
            checks,
            idempotent,
            idempotency,
            atomic,
            settled_by,
            not_settled,
            unchanged,
            limit,
            default,
            arguments,
            corrections,
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
        let effects = self.effect_when.iter().map(|when| when.effect).chain([self.effect]);
        let (strongest, has_dry_run) = (effects.max(), self.has_dry_run());
        let Some(arguments) = self.input.get_mut("properties").and_then(Value::as_object_mut) else { return };
        // Other changes accept both without listing them: each listed argument costs every model that reads the list.
        if strongest >= Some(Effect::Delete) && self.request.is_some() {
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
    /// With the tools that match a query.
    Find,
    /// With the result of another tool.
    Call,
    /// With the result of a read, once the work that it tells about is done.
    Wait,
}

/// A sentence that replaces the data in results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presentation {
    /// The owner of the key: `✅ Authenticated as …`.
    Whoami,
}

/// A limit that counts in addition to the ordinary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpecialLimit {
    /// Data exports: 50 an hour for each key.
    Export,
}
