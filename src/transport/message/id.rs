//! The `id` of a request, exactly as the client wrote it.

use std::fmt;

use serde_json::Value;

/// The `id` of a request: a JSON string, a JSON number or `null`. Kept as the client wrote it, so that no digit is
/// lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id(Box<str>);

impl Id {
    /// Reads an id from a JSON value. Returns `None` for values of other types.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let read: Value = serde_json::from_str(text).ok()?;
        matches!(read, Value::Null | Value::String(_) | Value::Number(_)).then(|| Self(text.into()))
    }

    /// Whether MCP allows it: a string, or an integer that its implementations can represent.
    pub(super) fn is_allowed(&self) -> bool {
        self.0.starts_with('"') || self.0.parse::<i64>().is_ok()
    }

    /// The id as a JSON value.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Id {
    /// Formats it as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
