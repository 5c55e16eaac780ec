//! A tool's input schema, parsed when it is first used.
//!
//! Parsing all of them would take most of the start-up time, and most sessions use few.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::Text;

/// A JSON Schema as compact JSON text.
#[derive(Debug)]
pub struct Schema {
    text: Text,
    object: OnceLock<Arc<Map<String, Value>>>,
}

impl Schema {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text: Text::Borrowed(text), object: OnceLock::new() }
    }

    /// A schema that is already parsed.
    pub(super) fn of(object: Map<String, Value>) -> Self {
        let text = Value::Object(object.clone()).to_string().into();
        Self { text, object: OnceLock::from(Arc::new(object)) }
    }

    /// The schema as an object. The build checks every schema; one that still cannot be parsed accepts nothing.
    pub fn object(&self) -> &Map<String, Value> {
        self.read()
    }

    /// The schema as a shared reference that can be kept.
    #[must_use]
    pub fn shared(&self) -> Arc<Map<String, Value>> {
        Arc::clone(self.read())
    }

    fn read(&self) -> &Arc<Map<String, Value>> {
        self.object.get_or_init(|| Arc::new(parse(&self.text)))
    }
}

fn parse(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_else(|_| Map::from_iter([("not".to_owned(), json!({}))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_schema_accepts_nothing() {
        for broken in ["", "{", "[]"].map(Schema::new) {
            let schema = Value::Object(broken.object().clone());
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(!validator.is_valid(&json!({})));
        }
    }
}
