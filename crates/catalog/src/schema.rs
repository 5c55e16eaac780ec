//! A tool's input schema, parsed when it is first used.
//!
//! Parsing all of them would take most of the start-up time, and most sessions use few.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::{SHARED, Text};

/// A JSON Schema as compact JSON text.
#[derive(Debug, Clone)]
pub struct Schema {
    text: Text,
    /// The positions of the shared schemas that it refers to. They become its `$defs`.
    shared: &'static [usize],
    object: OnceLock<Arc<Map<String, Value>>>,
}

impl Schema {
    pub(super) const fn new(text: &'static str, shared: &'static [usize]) -> Self {
        Self { text: Text::Borrowed(text), shared, object: OnceLock::new() }
    }

    /// A schema that is already parsed.
    pub(super) fn of(object: Map<String, Value>) -> Self {
        let text = Value::Object(object.clone()).to_string().into();
        Self { text, shared: &[], object: OnceLock::from(Arc::new(object)) }
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
        self.object.get_or_init(|| {
            let mut schema = parse(&self.text);
            if !self.shared.is_empty() {
                let shared = self.shared.iter().filter_map(|position| SHARED.get(*position));
                let shared: Map<String, Value> =
                    shared.map(|(name, text)| ((*name).to_owned(), parse(text).into())).collect();
                schema.insert("$defs".to_owned(), shared.into());
            }
            Arc::new(schema)
        })
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
        for broken in ["", "{", "[]"].map(|text| Schema::new(text, &[])) {
            let schema = Value::Object(broken.object().clone());
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(!validator.is_valid(&json!({})));
        }
    }
}
