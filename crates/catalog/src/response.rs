//! What an entry says about the responses to its calls: a failure inside a success, a change that changed nothing, work that
//! is not done.
//!
//! The build script includes this file too.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    tool::Text,
    words::{Constant, values_at},
};

/// How a successful response reports that something failed inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "PartialFormat", try_from = "PartialFormat")]
#[schemars(with = "PartialFormat")]
pub enum Partial {
    /// The member at this path in the data is `false`.
    False(Text),
    /// The number at this path is above zero.
    AboveZero(Text),
    /// The list or object at this path has members. `items[].errors` looks into each item.
    NotEmpty(Text),
    /// The member at this path has this value.
    Is(Text, Constant),
}

/// How a successful response reports that something failed inside: one of `false`, `above_zero`, `not_empty`, or `is` with
/// `value`. Each names a path in the data.
#[derive(Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Partial")]
struct PartialFormat {
    /// The member is `false`.
    #[serde(default, rename = "false", skip_serializing_if = "Option::is_none")]
    is_false: Option<Text>,
    /// The number is above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above_zero: Option<Text>,
    /// The list or object has members. `items[].errors` looks into each item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_empty: Option<Text>,
    /// The member has the value of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<Text>,
    /// The value that reports a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Constant>,
}

impl TryFrom<PartialFormat> for Partial {
    type Error = &'static str;

    fn try_from(format: PartialFormat) -> Result<Self, &'static str> {
        match format {
            PartialFormat {
                is_false: Some(path),
                above_zero: None,
                not_empty: None,
                is: None,
                value: None,
            } => Ok(Self::False(path)),
            PartialFormat {
                is_false: None,
                above_zero: Some(path),
                not_empty: None,
                is: None,
                value: None,
            } => Ok(Self::AboveZero(path)),
            PartialFormat {
                is_false: None,
                above_zero: None,
                not_empty: Some(path),
                is: None,
                value: None,
            } => Ok(Self::NotEmpty(path)),
            PartialFormat {
                is_false: None,
                above_zero: None,
                not_empty: None,
                is: Some(path),
                value: Some(value),
            } => Ok(Self::Is(path, value)),
            _ => Err("expected one of `false`, `above_zero`, `not_empty`, or `is` with `value`"),
        }
    }
}

impl From<Partial> for PartialFormat {
    fn from(partial: Partial) -> Self {
        match partial {
            Partial::False(path) => Self { is_false: Some(path), ..Self::default() },
            Partial::AboveZero(path) => Self { above_zero: Some(path), ..Self::default() },
            Partial::NotEmpty(path) => Self { not_empty: Some(path), ..Self::default() },
            Partial::Is(path, value) => Self { is: Some(path), value: Some(value), ..Self::default() },
        }
    }
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::False(path) => write!(f, "`{path}` is false"),
            Self::AboveZero(path) => write!(f, "`{path}` is above zero"),
            Self::NotEmpty(path) => write!(f, "`{path}` is not empty"),
            Self::Is(path, value) => {
                write!(f, "`{path}` is {}", serde_json::to_string(value).unwrap_or_default())
            }
        }
    }
}

impl Partial {
    /// Whether a response reports a failure in this way.
    #[must_use]
    pub fn is_said_by(&self, data: &Value) -> bool {
        let (path, says): (&str, &dyn Fn(&Value) -> bool) = match self {
            Self::False(path) => (path, &|value| value.as_bool() == Some(false)),
            Self::AboveZero(path) => (path, &|value| value.as_f64().is_some_and(|it| it > 0.0)),
            Self::NotEmpty(path) => (path, &|value| match value {
                Value::Array(items) => !items.is_empty(),
                Value::Object(members) => !members.is_empty(),
                _ => false,
            }),
            Self::Is(path, expected) => (path, &|value| expected.matches(value)),
        };
        values_at(data, path).into_iter().any(says)
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

/// How a response shows that work is not done, and how often Scope3 lets clients look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The work is not done while one of these is in the response.
    pub while_any: Cow<'static, [Partial]>,
    /// Seconds between two looks.
    pub every: u32,
    /// Seconds between two looks after the first minute, if they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<u32>,
}

impl Pending {
    /// What shows in a response that the work is not done.
    #[must_use]
    pub fn reason(&self, data: &Map<String, Value>) -> Option<String> {
        let data = Value::Object(data.clone());
        self.while_any.iter().find(|condition| condition.is_said_by(&data)).map(ToString::to_string)
    }
}
