//! What is wrong with the arguments of a call, kept short whatever was sent.

use std::{borrow::Cow, ops::Deref};

use serde::Serialize;
use serde_json::{Map, Value};

use super::suggest::shortened;

/// Maximum number of problems to list. The rest is counted.
const MAX_PROBLEMS: usize = 20;

/// Maximum number of allowed values to list. The rest is counted.
const MAX_ALLOWED: usize = 30;

/// One problem with the arguments of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The path of the argument, such as `budget.total` or `creatives[0].format.type`. Empty for the arguments as a whole.
    pub path: String,
    /// What is wrong. It does not repeat a value that may be long or secret.
    pub message: String,
    /// The allowed values, if they are few; for an unknown argument, the known arguments. Values that an earlier problem
    /// lists are not repeated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
    /// How many more values are allowed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_allowed: usize,
    /// The known argument that is most similar to an unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
    /// Whether the problem is an argument that the schema does not name.
    #[serde(skip)]
    pub unknown_argument: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Problem {
    /// Creates a problem without suggestions.
    #[must_use]
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            allowed: Vec::new(),
            more_allowed: 0,
            did_you_mean: None,
            unknown_argument: false,
        }
    }

    /// Adds the values that are allowed instead.
    pub(super) fn with_allowed(mut self, allowed: impl ExactSizeIterator<Item = Value>) -> Self {
        self.more_allowed = allowed.len().saturating_sub(MAX_ALLOWED);
        self.allowed = allowed.take(MAX_ALLOWED).collect();
        self
    }
}

/// The problems of the arguments of a call, up to the maximum.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problems {
    listed: Vec<Problem>,
    /// How many more problems there are. In very long lists, this is a lower bound.
    pub more: usize,
}

impl Problems {
    /// Adds a problem, which is only created if it can be listed.
    pub(super) fn add(&mut self, problem: impl FnOnce() -> Problem) {
        if self.listed.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let mut problem = problem();
        if self.listed.iter().any(|earlier| earlier.allowed == problem.allowed) {
            (problem.allowed, problem.more_allowed) = (Vec::new(), 0);
        }
        self.listed.push(problem);
    }

    /// Whether a problem with this argument is listed already.
    pub(super) fn has_problem_at(&self, path: &str) -> bool {
        self.listed.iter().any(|problem| problem.path == path)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { listed: vec![problem], more: 0 }
    }
}

impl Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.listed
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.into_iter()
    }
}

/// The location of a value in the arguments, from the inside out. Its path is only built when needed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// The arguments as a whole.
    Root,
    /// A member of an object.
    Member(&'a Place<'a>, &'a str),
    /// An item of a list.
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// The path, such as `creatives[0].format.type`. Long names are shortened.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(outer, name) => join(outer.path(), name),
            Self::Item(outer, position) => format!("{}[{position}]", outer.path()),
        }
    }
}

/// The path of a member of the object at a path.
pub(super) fn join(mut path: String, name: &str) -> String {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(&shortened(name));
    path
}

/// The type of a value with its article.
pub(super) fn type_of(value: &Value) -> Cow<'static, str> {
    with_article(match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

/// A count with its unit, such as `1 day` or `31 days`.
pub(super) fn counted(count: impl Into<u64>, unit: &str) -> String {
    let count = count.into();
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

pub(super) fn with_article(word: &str) -> Cow<'static, str> {
    match word {
        "null" => "null".into(),
        "integer" | "object" | "array" => format!("an {word}").into(),
        _ => format!("a {word}").into(),
    }
}

/// The problem of an argument that the tool does not have.
pub(super) fn unknown(path: String, name: &str, known: &[&str]) -> Problem {
    Problem {
        did_you_mean: super::nearest(name, known.iter().copied()).map(str::to_owned),
        unknown_argument: true,
        ..Problem::at(path, "is not an argument of this tool")
    }
    .with_allowed(known.iter().map(|&name| name.into()))
}

/// The arguments if there are no problems, otherwise the problems.
pub(super) fn into_result(arguments: Value, problems: Problems) -> Result<Map<String, Value>, Problems> {
    match arguments {
        Value::Object(arguments) if problems.is_empty() => Ok(arguments),
        _ => Err(problems),
    }
}
