//! Local tools, which this server answers without a request to Scope3.

use jiff::Timestamp;
use scope3_mcp_catalog::{Catalog, Entry};
use scope3_mcp_client::credentials::Fingerprint;
use serde_json::{Map, Value, json};

use crate::{
    failure::reset_time,
    limits::{Usage, whole_seconds},
    policy::Policy,
    state::StateError,
};

/// The result of `get_usage`.
pub(crate) fn usage(
    key: Fingerprint,
    usage: &[Usage],
    unavailable: Option<&StateError>,
) -> Map<String, Value> {
    let now = Timestamp::now();
    let limits: Vec<Value> = usage
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
    let mut state = json!({ "available": unavailable.is_none() });
    if let Some(error) = unavailable {
        state["error"] = error.for_agents().into();
        state["meaning"] =
            "limits show the requests of this process alone; changes and exports are refused".into();
    }
    let members = [("key", key.to_string().into()), ("limits", limits.into()), ("state", state)];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The result of `describe_tool`.
///
/// # Errors
/// If the tool is unknown. The error is the most similar name, if there is one.
pub fn describe_tool(
    catalog: &Catalog,
    policy: &Policy,
    name: &str,
) -> Result<Map<String, Value>, Option<String>> {
    let entry = catalog.get(name).ok_or_else(|| catalog.nearest(name).map(str::to_owned))?;
    let Entry { surface, toolset, tool, .. } = &**entry;
    let permitted = policy.check(entry);
    let members = [
        ("name", Some(json!(tool.name))),
        ("title", Some(json!(tool.title))),
        ("description", Some(json!(tool.description))),
        ("effect", Some(json!(tool.effect))),
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
