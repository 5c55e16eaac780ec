//! The keywords of JSON Schema whose values contain schemas. The build script includes this file too.

use serde_json::{Map, Value};

/// Keywords whose value is a schema.
const SCHEMA_KEYWORDS: [&str; 11] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords whose value is a list of schemas.
const LIST_KEYWORDS: [&str; 4] = ["prefixItems", "allOf", "anyOf", "oneOf"];
/// Keywords whose value is an object with schemas as members.
pub(crate) const MAP_KEYWORDS: [&str; 5] =
    ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// The direct subschemas of a schema, each with its JSON pointer relative to the schema. They may be of any JSON type.
pub(crate) fn children(schema: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut children = Vec::new();
    for (keyword, value) in schema {
        let keyword = keyword.as_str();
        match value {
            Value::Array(list) if LIST_KEYWORDS.contains(&keyword) || keyword == "items" => {
                children
                    .extend(list.iter().enumerate().map(|(at, child)| (format!("/{keyword}/{at}"), child)));
            }
            Value::Object(map) if MAP_KEYWORDS.contains(&keyword) => {
                let below = |name: &str| format!("/{keyword}/{}", name.replace('~', "~0").replace('/', "~1"));
                children.extend(map.iter().map(|(name, child)| (below(name), child)));
            }
            child if SCHEMA_KEYWORDS.contains(&keyword) => children.push((format!("/{keyword}"), child)),
            _ => {}
        }
    }
    children
}
