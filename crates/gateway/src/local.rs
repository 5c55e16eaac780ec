//! Local tools, which this server answers without a request to Scope3.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

use scope3_mcp_catalog::{Catalog, Entry, Local, Problem};
use scope3_mcp_client::credentials::{Fingerprint, KeyError};
use serde_json::{Map, Value, json};

use crate::{
    CallError, Caller, Gateway, Success,
    failure::{Failure, reset_time},
    limits::{Usage, whole_seconds},
    policy::{Narrowing, Policy},
    state::{CallCount, StateError},
};

/// The maximum number of rows with calls in the result of `get_usage`.
const MAX_COUNTS: usize = 50;

impl Gateway {
    /// Answers a local tool.
    pub(super) async fn answer_locally(
        &self,
        local: Local,
        catalog: &Catalog,
        entry: &Entry,
        caller: &Caller,
        arguments: &Map<String, Value>,
    ) -> Result<Success, CallError> {
        let data = match local {
            Local::Describe => {
                let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
                if let Some(path) = arguments.get("path").and_then(Value::as_str)
                    && let Some(described) = catalog.get(name)
                {
                    let part = describe_part(described, path);
                    let data = part.map_err(|problem| Failure::arguments(entry, &problem.into()))?;
                    return Ok(Success::local(data));
                }
                describe_tool(catalog, &self.policy, caller.narrowing.as_ref(), name).map_err(|nearest| {
                    let problem =
                        Problem { did_you_mean: nearest, ..Problem::at("name", "is not the name of a tool") };
                    Failure::arguments(entry, &problem.into())
                })?
            }
            Local::Find => self.find_tools(catalog, caller.narrowing.as_ref(), arguments),
            // `Gateway::call` has replaced it by the tool that it names.
            Local::Call | Local::Wait => return Err(Failure::internal(false).into()),
            Local::Read => self.read_result(entry, caller, arguments).await?,
            Local::Usage => {
                let keys = caller.keys.keys().await.map_err(Failure::key)?;
                let Some(key) = keys.first() else { return Err(Failure::key(KeyError::Missing).into()) };
                let who = key.fingerprint();
                let limits = self.limits.usage(who).await;
                let counts = self.counts(since(arguments), who).await;
                usage(who, &limits, counts.as_deref())
            }
        };
        Ok(Success::local(data))
    }

    /// The number of calls with a key since a time, those of this moment included.
    async fn counts(&self, since: Timestamp, key: Fingerprint) -> Result<Vec<CallCount>, StateError> {
        let tally = Arc::clone(&self.tally);
        // In a task of its own, it survives the caller.
        let written = self.changes.spawn(async move { tally.write().await }).await;
        written.unwrap_or(Ok(()))?;
        self.limits.observe(self.state.counts(since, Some(key)).await)
    }
}

/// The time since which `get_usage` counts calls. The catalog's schema bounds the argument.
pub(crate) fn since(arguments: &Map<String, Value>) -> Timestamp {
    const DEFAULT_HOURS: i64 = 24;
    let hours = arguments.get("hours").and_then(Value::as_i64).unwrap_or(DEFAULT_HOURS);
    Timestamp::now() - SignedDuration::from_hours(hours)
}

/// The result of `get_usage`. Without the state there are no counts.
pub(crate) fn usage(
    key: Fingerprint,
    limits: &[Usage],
    counts: Result<&[CallCount], &StateError>,
) -> Map<String, Value> {
    let now = Timestamp::now();
    let limits: Vec<Value> = limits
        .iter()
        .map(|Usage { class, limit, used, left, next_in }| {
            let mut row = json!({ "class": class, "limit": limit.to_string(), "used": used, "left": left });
            if let Some(wait) = next_in {
                row["nextFreeInSeconds"] = whole_seconds(*wait).into();
                row["nextFreeAt"] = reset_time(now, *wait).into();
            }
            row
        })
        .collect();
    let mut state = json!({ "available": counts.is_ok() });
    if let Err(error) = counts {
        state["error"] = error.for_agents().into();
        state["meaning"] =
            "limits show the requests of this process alone; changes and exports are refused".into();
    }
    let mut usage = json!({ "key": key.to_string(), "limits": limits, "state": state });
    if let Ok(counts) = counts {
        usage["calls"] = by_hour(counts);
        if counts.len() > MAX_COUNTS {
            usage["callsLeftOut"] = (counts.len() - MAX_COUNTS).into();
        }
    }
    usage.as_object().cloned().unwrap_or_default()
}

/// The newest counts, as objects in objects: hour, tool, outcome.
fn by_hour(counts: &[CallCount]) -> Value {
    let mut hours = json!({});
    for CallCount { hour, tool, outcome, calls } in counts.iter().rev().take(MAX_COUNTS) {
        hours[hour.to_string()][tool][outcome] = (*calls).into();
    }
    hours
}

/// The result of `describe_tool` for a part of the input schema.
///
/// # Errors
/// If the schema does not define the path.
pub(crate) fn describe_part(entry: &Entry, path: &str) -> Result<Map<String, Value>, Problem> {
    let part = entry.schema_at(path).map_err(|(known, names)| {
        let nearest = path.strip_prefix(&known).unwrap_or(path).trim_start_matches('.');
        let nearest = nearest.split('.').next().unwrap_or_default().trim_end_matches("[]");
        let message = match known.as_str() {
            "" => "is not a path in the input schema".to_owned(),
            known => format!("is not a path in the input schema; `{known}` is"),
        };
        let mut problem = Problem::at("path", message);
        problem.did_you_mean =
            scope3_mcp_catalog::nearest(nearest, names.iter().map(String::as_str)).map(str::to_owned);
        problem.allowed = names.into_iter().map(Value::from).collect();
        problem
    })?;
    let members = [("name", json!(entry.tool.name)), ("path", json!(path)), ("schema", json!(part))];
    Ok(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The result of `describe_tool`.
///
/// # Errors
/// If the tool is unknown. The error is the most similar name, if there is one.
pub fn describe_tool(
    catalog: &Catalog,
    policy: &Policy,
    narrowing: Option<&Narrowing>,
    name: &str,
) -> Result<Map<String, Value>, Option<String>> {
    let entry = catalog.get(name).ok_or_else(|| catalog.nearest(name).map(str::to_owned))?;
    let Entry { surface, toolset, tool, .. } = &**entry;
    let permitted = policy.check(entry, narrowing);
    let members = [
        ("name", Some(json!(tool.name))),
        ("title", Some(json!(tool.title))),
        ("description", Some(json!(tool.description))),
        ("effect", Some(json!(tool.effect))),
        ("effectWhen", (!tool.effect_when.is_empty()).then(|| json!(tool.effect_when))),
        ("surface", Some(json!(surface))),
        ("toolset", Some(json!(toolset))),
        ("offered", Some(json!(permitted.is_ok()))),
        ("withheld", permitted.err().map(|why| json!(why.to_string()))),
        ("request", tool.request.as_ref().map(|request| json!(request))),
        ("money", tool.money.as_ref().map(|money| json!(money))),
        ("settledBy", tool.settled_by.as_ref().map(|read| json!(read))),
        ("notSettled", tool.not_settled.as_ref().map(|why| json!(why))),
        ("limit", tool.limit.as_ref().map(|limit| json!(limit))),
        ("inputSchema", Some(json!(tool.input.object()))),
    ];
    Ok(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}
