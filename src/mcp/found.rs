//! The tools that a session found, which `--discover=list` adds to its list.

use std::sync::{Mutex, MutexGuard, PoisonError};

use scope3_mcp_gateway::Success;
use serde_json::Value;

/// The names of the tools that one session found. A request without a session has no list that could grow, so nothing is
/// kept for it.
#[derive(Default)]
pub(super) struct Found(Mutex<Option<Vec<String>>>);

impl Found {
    /// Begins to keep what is found: the client has initialized a session.
    pub(super) fn open(&self) {
        self.names().get_or_insert_default();
    }

    /// Adds the tools in a result of `find_tools`. Returns whether the list has grown.
    pub(super) fn add(&self, result: &Success) -> bool {
        let mut names = self.names();
        let Some(names) = names.as_mut() else { return false };
        let before = names.len();
        let tools = result.data.get("tools").and_then(Value::as_array).into_iter().flatten();
        for name in tools.filter_map(|tool| tool.get("name")?.as_str()) {
            // The catalog has a few hundred names, so this list stays short.
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names.len() > before
    }

    /// Whether the session found this tool.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().iter().flatten().any(|known| known == name)
    }

    fn names(&self) -> MutexGuard<'_, Option<Vec<String>>> {
        // Names are only ever added, so a panic cannot leave the list inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
