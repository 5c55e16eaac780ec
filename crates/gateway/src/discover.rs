//! Finding tools and calling them by name, for clients that should not see a list of all tools.

use std::time::Duration;

use scope3_mcp_catalog::{Catalog, Effect, Entry, EntryRef, Local, Problem, Surface, shortened};
use serde_json::{Map, Value, json};

use crate::{
    CallError, Gateway,
    failure::Failure,
    policy::{Denied, Narrowing},
    wait,
};

/// How many tools are found if the caller names no number.
const DEFAULT_LIMIT: usize = 5;

/// The tools that call another.
const CALL_READ: &str = "call_read_tool";
const CALL_CHANGE: &str = "call_change_tool";

/// What a call is for.
pub(super) struct Resolved {
    pub(super) entry: EntryRef,
    pub(super) arguments: Map<String, Value>,
    /// How long it may wait until the work that the tool reads about is done.
    pub(super) waits_for: Option<Duration>,
}

impl Gateway {
    /// The tool that a call is for, and its arguments: those of the call itself, or of the tool that it names. From here on, a
    /// call is the same in both cases.
    pub(super) fn resolve(
        &self,
        catalog: &Catalog,
        entry: EntryRef,
        mut arguments: Map<String, Value>,
    ) -> Result<Resolved, CallError> {
        let waits = match entry.tool.answers {
            Some(Local::Call) => false,
            Some(Local::Wait) => true,
            _ => return Ok(Resolved { entry, arguments, waits_for: None }),
        };
        self.policy.check(&entry, None).map_err(|why| Failure::denied(&entry, &why))?;
        let problem = |path: &str, what: &str| -> CallError {
            Failure::arguments(&entry, &Problem::at(path, what).into()).into()
        };
        let Some(Value::String(name)) = arguments.remove("name") else {
            return Err(problem("name", "expected the name of a tool, as find_tools shows it"));
        };
        let given = match arguments.remove("arguments") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(problem("arguments", "expected an object")),
        };
        let seconds = if waits { arguments.remove("seconds") } else { None };
        let seconds = match &seconds {
            None | Some(Value::Null) => wait::DEFAULT_SECONDS,
            Some(seconds) => seconds
                .as_u64()
                .filter(|seconds| (1..=wait::MAX_SECONDS).contains(seconds))
                .ok_or_else(|| problem("seconds", "expected a whole number from 1 to 300"))?,
        };
        if let Some(unknown) = arguments.keys().next() {
            return Err(problem(unknown, "is not an argument of this tool; put it into `arguments`"));
        }
        let called = catalog.get(&name).cloned().ok_or_else(|| unknown_tool(catalog, &name))?;
        if matches!(called.tool.answers, Some(Local::Call | Local::Wait)) {
            return Err(problem("name", "expected a tool other than this one"));
        }
        if waits {
            if called.tool.pending.is_none() {
                let can_wait = catalog.entries().filter(|entry| entry.tool.pending.is_some());
                let names: Vec<String> = can_wait.map(|entry| entry.tool.name.to_string()).collect();
                let expected = format!("expected one of {}, got {}", names.join(", "), called.tool.name);
                return Err(problem("name", &expected));
            }
            let waits_for = Some(Duration::from_secs(seconds));
            return Ok(Resolved { entry: called, arguments: given, waits_for });
        }
        let effect = called.tool.effect_of(&given);
        let is_read = effect == Effect::Read;
        if is_read != (entry.tool.effect == Effect::Read) {
            let right = if is_read { CALL_READ } else { CALL_CHANGE };
            return Err(problem(
                "name",
                &format!("({name}) with these arguments has the effect {effect}; use {right}"),
            ));
        }
        Ok(Resolved { entry: called, arguments: given, waits_for: None })
    }

    /// The tools that match a query, best first.
    pub(super) fn find_tools(
        &self,
        catalog: &Catalog,
        narrowing: Option<&Narrowing>,
        arguments: &Map<String, Value>,
    ) -> Map<String, Value> {
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or_default();
        let limit = arguments.get("limit").and_then(Value::as_u64);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT);
        let may_run =
            |entry: &Entry| entry.surface != Surface::Local && self.policy.check(entry, narrowing).is_ok();
        let found = catalog.search(query, may_run);
        let tools: Vec<Value> = found.iter().take(limit).map(|entry| described(entry)).collect();
        let mut answer = Map::new();
        if tools.is_empty() {
            answer.insert("message".to_owned(), "No tool matches. Use other words, or fewer.".into());
        }
        answer.insert("tools".to_owned(), tools.into());
        answer
    }
}

/// What a caller needs to choose a tool. `describe_tool` shows the rest.
fn described(entry: &Entry) -> Value {
    let input = entry.tool.input.object();
    let members = |name: &str| input.get(name).cloned().unwrap_or_default();
    let required = members("required");
    let arguments: Vec<String> = members("properties")
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .map(|name| {
            let is_required =
                required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
            if is_required { format!("{name} (required)") } else { name.clone() }
        })
        .collect();
    json!({
        "name": entry.tool.name,
        "title": entry.tool.title,
        "description": entry.tool.description,
        "effect": entry.tool.effect,
        "arguments": arguments,
    })
}

/// The error for a name that is none of the tools.
pub(super) fn unknown_tool(catalog: &Catalog, name: &str) -> CallError {
    if catalog.inactive_api_of(name).is_some()
        && let Some(known) = Catalog::embedded().get(name)
    {
        return Failure::denied(known, &Denied::OtherSurface).into();
    }
    let similar = catalog.nearest(name).map(str::to_owned);
    // Without a similar name, search by meaning: the caller may know the task but not the tool's name.
    let nearest = similar.or_else(|| Some(catalog.search(name, |_| true).first()?.tool.name.to_string()));
    CallError::UnknownTool { name: shortened(name).into_owned(), nearest }
}
