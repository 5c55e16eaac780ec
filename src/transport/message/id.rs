//! The `id` of a request, as it was written.

use std::fmt;

use serde_json::Value;

/// The `id` of a request: a JSON text, a JSON number or `null`, kept as it was written so that no digit is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id(Box<str>);

impl Id {
    /// The id that a JSON value can be, if it can be one.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let read: Value = serde_json::from_str(text).ok()?;
        matches!(read, Value::Null | Value::String(_) | Value::Number(_)).then(|| Self(text.into()))
    }

    /// Whether MCP allows it: a text, or a whole number that its implementations can hold.
    pub(super) fn is_allowed(&self) -> bool {
        self.0.starts_with('"') || self.0.parse::<i64>().is_ok()
    }

    /// The id as a JSON value.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Id {
    /// Writes it as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
