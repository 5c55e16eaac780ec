//! The arguments that this server adds to the tools of changes. They say how to make a change, and are not sent to the API.

use scope3_mcp_catalog::{CONFIRMATION, DRY_RUN, Effect, Entry, Problem};
use serde_json::{Map, Value};

use crate::{CallError, failure::Failure};

/// Takes the confirmation out of the arguments of a change. If the operator has rules, a read can need one, too.
pub(super) fn take_confirmation(
    entry: &Entry,
    arguments: &mut Map<String, Value>,
    has_rules: bool,
) -> Result<Option<String>, CallError> {
    if entry.tool.strongest_effect() == Effect::Read && !has_rules {
        return Ok(None);
    }
    match arguments.remove(CONFIRMATION) {
        None => Ok(None),
        Some(Value::String(code)) => Ok(Some(code)),
        Some(_) => {
            let problem =
                Problem::at(CONFIRMATION, "expected the code that an earlier result gave, as a string");
            Err(Failure::arguments(entry, &problem.into()).into())
        }
    }
}

/// Takes the wish for a dry run out of the arguments of a change, unless the API has an argument of this name.
pub(super) fn take_dry_run(entry: &Entry, arguments: &mut Map<String, Value>) -> Result<bool, CallError> {
    if !entry.tool.has_dry_run() {
        return Ok(false);
    }
    match arguments.remove(DRY_RUN) {
        None => Ok(false),
        Some(Value::Bool(is_dry_run)) => Ok(is_dry_run),
        // Models and command lines write booleans as text.
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(_) => {
            let problem = Problem::at(DRY_RUN, "expected true or false");
            Err(Failure::arguments(entry, &problem.into()).into())
        }
    }
}
