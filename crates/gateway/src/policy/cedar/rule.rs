//! One rule of a policy file, and what its annotations say.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use scope3_mcp_catalog::nearest;
use serde_json::Value;

use super::{
    problem::{Problem, named, position},
    schema::Action,
};

/// The annotations that rules may have.
const ANNOTATIONS: [&str; 4] = ["id", "reason", "ask", "shadow"];

/// The maximum length of an annotation's value, in bytes. Agents read it.
const MAX_VALUE_BYTES: usize = 300;

/// A rule of the operator's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`, or its line.
    pub name: String,
    /// The line on which it starts, counted from 1.
    pub line: usize,
    /// The column at which it starts, in characters, counted from 1.
    pub column: usize,
    /// The rule as written in the file.
    pub text: String,
    /// Why it exists: `@reason`, or the value of `@ask` or `@shadow`.
    pub reason: Option<String>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a rule does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Allows a call.
    Permit,
    /// Rejects a call.
    Forbid,
    /// Requires the consent of a person.
    Ask,
    /// Is only logged.
    Shadow,
}

/// Reads a rule and its annotations.
///
/// # Errors
/// If an annotation is unknown, has no value, or does not fit the rule.
pub(super) fn read(file: &str, policy: &Policy) -> Result<(Kind, Rule), Problem> {
    let offset = offset(policy);
    let problem = |message: String| Problem::at(file, offset, message);
    let given: HashMap<&str, &str> = policy.annotations().collect();
    let mut names: Vec<&str> = given.keys().copied().collect();
    names.sort_unstable();
    for name in names {
        if !ANNOTATIONS.contains(&name) {
            let similar = nearest(name, ANNOTATIONS.into_iter()).map_or_else(
                || "known are `@id`, `@reason`, `@ask` and `@shadow`".to_owned(),
                |similar| format!("did you mean `@{similar}`?"),
            );
            return Err(problem(format!("unknown annotation {}; {similar}", named(&format!("@{name}")))));
        }
        let value = given.get(name).copied().unwrap_or_default();
        if value.trim().is_empty() || value.len() > MAX_VALUE_BYTES || value.contains(char::is_control) {
            return Err(problem(format!(
                "`@{name}` needs a text of one line in parentheses, of at most {MAX_VALUE_BYTES} bytes: \
                 `@{name}(\"...\")`"
            )));
        }
    }
    let kind = match (policy.effect(), given.get("ask"), given.get("shadow")) {
        (Effect::Permit, None, None) => Kind::Permit,
        (Effect::Permit, ..) => {
            return Err(problem(
                "`@ask` and `@shadow` belong to a `forbid` rule, not to a `permit`".to_owned(),
            ));
        }
        (Effect::Forbid, None, None) => Kind::Forbid,
        (Effect::Forbid, Some(_), None) => Kind::Ask,
        (Effect::Forbid, None, Some(_)) => Kind::Shadow,
        (Effect::Forbid, Some(_), Some(_)) => {
            return Err(problem("a rule has either `@ask` or `@shadow`, not both".to_owned()));
        }
    };
    let (line, column) = position(file, offset);
    let shadow = given.get("shadow").copied();
    let name = given.get("id").copied().or(shadow);
    let reason = ["reason", "ask", "shadow"].iter().find_map(|name| given.get(name));
    Ok((
        kind,
        Rule {
            name: name.map_or_else(|| format!("line {line}"), str::to_owned),
            line,
            column,
            text: policy.to_string(),
            reason: reason.map(ToString::to_string),
        },
    ))
}

/// Where the rule starts in the file, in bytes.
pub(super) fn offset(policy: &Policy) -> usize {
    policy.as_ref().loc().map_or(0, |place| place.span.offset())
}

/// Whether a rule applies to a tool, as far as its scope says.
pub(super) fn covers(policy: &Policy, action: &Action) -> bool {
    covers_a_call_in(policy, action, &action.groups)
}

/// Whether the scope of a rule covers every call of a tool, whatever its effect.
pub(super) fn covers_every_call(policy: &Policy, action: &Action) -> bool {
    covers_a_call_in(policy, action, &action.always)
}

fn covers_a_call_in(policy: &Policy, action: &Action, groups: &HashSet<EntityUid>) -> bool {
    let is_in = |group: &EntityUid| *group == action.uid || groups.contains(group);
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(groups) => groups.iter().any(is_in),
        ActionConstraint::Eq(uid) => uid == action.uid,
    }
}

/// Whether a rule matches every call of the tools that it covers.
pub(super) fn is_unconditional(policy: &Policy) -> bool {
    policy.principal_constraint() == PrincipalConstraint::Any
        && policy.resource_constraint() == ResourceConstraint::Any
        && !policy.has_non_scope_constraint()
}

/// Whether what a rule says depends on the resource of a call.
pub(super) fn depends_on_resource(policy: &Policy) -> bool {
    policy.resource_constraint() != ResourceConstraint::Any
        // A rule that Cedar cannot show depends on everything.
        || policy.to_json().map_or(true, |rule| reads_resource(&rule["conditions"]))
}

/// Whether an expression in Cedar's JSON form reads the variable `resource`.
fn reads_resource(expression: &Value) -> bool {
    match expression {
        Value::Object(members) => {
            members.iter().any(|(name, value)| name == "Var" && value == "resource" || reads_resource(value))
        }
        Value::Array(items) => items.iter().any(reads_resource),
        _ => false,
    }
}
