//! What an entry says beyond its request and its schema: when a call has a stronger effect, what it commits, and where a
//! published document is wrong.
//!
//! The build script includes this file too.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::tool::{Effect, Text};

/// An argument that makes a call stronger than the tool's effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EffectWhen {
    /// Path of the argument, such as `mode` or `mediaBuys[].action`.
    pub argument: Text,
    /// The value that has this effect. Without it, any value has.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub is: Option<Constant>,
    /// The effect of such a call.
    pub effect: Effect,
    /// What the argument does, for people who are asked.
    pub because: Text,
}

/// A value of an argument or of a member of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Constant {
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(Text),
    /// An empty list.
    EmptyList([bool; 0]),
    /// Null.
    Null(()),
}

/// A value that is written, even if it is null.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Constant>, D::Error> {
    Constant::deserialize(value).map(Some)
}

impl Constant {
    /// Whether a value is this one.
    #[must_use]
    pub fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Boolean(expected) => value.as_bool() == Some(*expected),
            Self::Integer(expected) => value.as_i64() == Some(*expected),
            Self::Text(expected) => value.as_str() == Some(expected),
            Self::EmptyList(_) => value.as_array().is_some_and(Vec::is_empty),
            Self::Null(()) => value.is_null(),
        }
    }
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
    /// Paths of what else a person has to know of the object, such as `impact.archiveCount`.
    #[serde(default)]
    pub shows: Cow<'static, [Text]>,
}

fn name() -> Text {
    Cow::Borrowed("name")
}

/// A tool that does the same. For the journal, a call of either is the same change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SameAs {
    /// Its name.
    pub tool: Text,
    /// The id by which it knows the object. Without it, it has the same arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<OtherId>,
}

/// Another id of the object that a call is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherId {
    /// The argument with this tool's id.
    pub argument: Text,
    /// The argument with the other tool's id.
    pub other: Text,
    /// Where to read the object.
    pub from: ReadOf,
    /// The member of the object that is the other id.
    pub member: Text,
}

/// A file that goes to a signed URL outside the API. The request describes it, and the answer has the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedUpload {
    /// The argument with the file. In the request, it is an object with `name`, `sha256`, `sizeBytes` and `rowCount`.
    pub argument: Text,
    /// The name under which the API expects it.
    pub name: Text,
    /// The member of the answer that is the URL.
    pub url: Text,
    /// The member of the answer that has the headers of the upload.
    pub headers: Text,
}

/// The list that a call replaces as a whole. What the new list leaves out is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Removes {
    /// The argument that has the new list.
    pub argument: Text,
    /// Where to read the present list.
    pub from: ReadOf,
    /// The members that tell the items of the present list apart. The new list has objects with the same members, or the
    /// values of the only one.
    pub same: Cow<'static, [Text]>,
    /// Members of the items that the call replaces, with their values. Without it, it replaces all.
    #[serde(default, deserialize_with = "pairs", serialize_with = "as_object")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub only: Cow<'static, [(Text, Text)]>,
}

impl Removes {
    /// What tells each item apart that a call with these arguments removes from the present list, and the number of all items
    /// that it replaces.
    #[must_use]
    pub fn removed<'a>(
        &self,
        present: &'a [Value],
        arguments: &Map<String, Value>,
    ) -> (Vec<Identity<'a>>, usize) {
        let kept = arguments.get(&*self.argument).and_then(Value::as_array);
        let kept: Vec<Identity<'_>> = kept.into_iter().flatten().map(|item| self.identity(item)).collect();
        let is_replaced = |item: &&Value| {
            self.only.iter().all(|(name, value)| item.get(&**name).and_then(Value::as_str) == Some(value))
        };
        let replaced: Vec<Identity<'_>> =
            present.iter().filter(is_replaced).map(|item| self.identity(item)).collect();
        let count = replaced.len();
        (replaced.into_iter().filter(|item| !kept.contains(item)).collect(), count)
    }

    fn identity<'a>(&self, item: &'a Value) -> Identity<'a> {
        match item {
            Value::Object(members) => {
                self.same.iter().map(|name| members.get(&**name).filter(|value| !value.is_null())).collect()
            }
            value => vec![Some(value)],
        }
    }
}

/// The values of the members that tell an item of a list apart, in their order.
pub type Identity<'a> = Vec<Option<&'a Value>>;

/// A read that finds an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadOf {
    /// A read of the same surface.
    pub read: Text,
    /// The arguments that are passed on to it.
    #[serde(default)]
    pub with: Cow<'static, [Text]>,
    /// Path of the object in its data, or of the list that contains the object. Without it, the data is the object.
    #[serde(default)]
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

/// The read that tells how much a call commits, where its arguments contain no amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spends {
    /// The name of the read.
    pub tool: Text,
    /// The arguments of the read: for each of its arguments, the path of the value in the arguments of the call.
    #[serde(deserialize_with = "pairs", serialize_with = "as_object")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub arguments: Cow<'static, [(Text, Text)]>,
    /// Path of the amount in the data of the read. Several amounts are added.
    pub amount: Text,
    /// Path of the ISO 4217 currency in the data of the read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Text>,
    /// The unit of the amount.
    pub unit: MoneyUnit,
}

/// Where a published document is wrong, or says more than an agent may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Correction {
    /// A parameter of the path has another name than the path, or is not declared.
    Parameter {
        /// The name that the document declares, or the one in the path if it declares none.
        parameter: String,
        /// The name of the argument.
        is: String,
        /// Why.
        because: String,
    },
    /// A required argument is optional.
    Optional {
        /// Path of the argument.
        optional: String,
        /// Why.
        because: String,
    },
    /// The schema of an argument is another.
    Schema {
        /// Path of the argument.
        schema: String,
        /// Its schema.
        to: serde_json::Map<String, Value>,
        /// Why.
        because: String,
    },
    /// An argument is not offered.
    Hide {
        /// Path of the argument.
        hide: String,
        /// Why.
        because: String,
    },
    /// The document's default is wrong.
    NoDefault {
        /// Path of the argument.
        no_default: String,
        /// Why.
        because: String,
    },
    /// The body takes members that the document does not name, and they are passed on as they are.
    Open {
        /// Always `true`.
        open_body: bool,
        /// Why.
        because: String,
    },
}

/// The name in a step of a path, and how many lists follow it: `rows[][]` is `rows` with two.
pub(super) fn steps(step: &str) -> (&str, usize) {
    let name = step.trim_end_matches("[]");
    (name, (step.len() - name.len()) / 2)
}

/// The values at a path such as `items[].status`. A list on the way without `[]` has none.
#[must_use]
pub fn values_at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    path.split('.').fold(vec![value], |values, step| {
        let (name, lists) = steps(step);
        let members = values.into_iter().filter_map(|value| value.get(name)).collect();
        (0..lists).fold(members, |values: Vec<&Value>, _| {
            values.into_iter().filter_map(Value::as_array).flatten().collect()
        })
    })
}

fn pairs<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Cow<'static, [(Text, Text)]>, D::Error> {
    let members = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(members.into_iter().map(|(name, path)| (name.into(), path.into())).collect())
}

fn as_object<S: serde::Serializer>(pairs: &[(Text, Text)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, path)| (name, path)))
}
