//! The types of a tool's arguments, for languages with closed types.
//!
//! Such a language has one type for each value. What has none is left out: a value of several types, a list of objects, and
//! members that no schema names.

use super::{CONFIRMATION, DRY_RUN, Tool, walk::Schemas};

/// The maximum depth of objects and lists. A recursive schema is cut off there.
const MAX_DEPTH: usize = 8;

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number that may have a fraction.
    Number,
    /// A string, whatever its format.
    Text,
    /// A list of booleans, numbers or strings.
    List(Box<Shape>),
    /// An object with these members.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The type of its value.
    pub shape: Shape,
    /// Whether every valid object has it, with a value other than `null`.
    pub required: bool,
}

/// The arguments of a tool that have one type each. The confirmation of a change is not among them: it says how to make the
/// change, and is not a part of it.
#[must_use]
pub fn shape(tool: &Tool) -> Vec<Member> {
    let mut members = members(&Schemas::of(tool.input.object()), MAX_DEPTH);
    members.retain(|member| member.name != CONFIRMATION && !(member.name == DRY_RUN && tool.has_dry_run()));
    members
}

fn members(schemas: &Schemas<'_>, depth: usize) -> Vec<Member> {
    let member = |name: &str| {
        let below = schemas.member(name);
        let required = schemas.is_required(name) && !below.types().has("null");
        Some(Member { name: name.to_owned(), shape: of(&below, depth)?, required })
    };
    schemas.members().into_iter().filter_map(member).collect()
}

fn of(schemas: &Schemas<'_>, depth: usize) -> Option<Shape> {
    let depth = depth.checked_sub(1)?;
    match schemas.types().without_null().only()? {
        "boolean" => Some(Shape::Boolean),
        "integer" => Some(Shape::Integer),
        "number" => Some(Shape::Number),
        "string" => Some(Shape::Text),
        // Items with schemas of their own may differ in type.
        "array" if schemas.prefix_length() == 0 => match of(&schemas.item(0), depth)? {
            Shape::List(_) | Shape::Object(_) => None,
            item => Some(Shape::List(Box::new(item))),
        },
        "object" => Some(Shape::Object(members(schemas, depth))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Catalog, Entry, Surface, Toolset};

    fn shape_of(input: Value) -> Vec<Member> {
        let file: Toolset = serde_json::from_value(json!({
            "toolset": "things", "description": "Things.",
            "tools": [{ "name": "thing_set", "title": "Set", "description": "A thing.", "request": "POST /thing",
                "effect": "spend", "settled_by": "thing_get", "input": input }],
        }))
        .unwrap();
        let tool = file.tools.into_iter().next().unwrap();
        shape(&Entry::loaded(Surface::Campaign, "things", tool).tool)
    }

    #[test]
    fn arguments_with_one_type_are_described_and_others_left_out() {
        let found = shape_of(json!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "count": { "type": ["integer", "null"] },
                "share": { "type": "number" },
                "on": { "enum": [true], "type": "boolean" },
                "ids": { "type": "array", "items": { "type": "string" } },
                "parts": { "type": "array", "items": { "type": "object", "properties": {} } },
                "either": { "type": ["string", "integer"] },
                "any": {},
                "budget": { "type": "object", "required": ["total"], "properties": { "total": { "type": "integer" } } },
            },
            "required": ["id", "count"],
        }));
        let member = |name: &str, shape, required| Member { name: name.to_owned(), shape, required };
        assert_eq!(
            found,
            [
                member("id", Shape::Text, true),
                member("count", Shape::Integer, false),
                member("share", Shape::Number, false),
                member("on", Shape::Boolean, false),
                member("ids", Shape::List(Box::new(Shape::Text)), false),
                member("budget", Shape::Object(vec![member("total", Shape::Integer, true)]), false),
            ]
        );
    }

    #[test]
    fn every_tool_has_a_shape_without_its_confirmation() {
        for entry in Catalog::embedded().entries() {
            let members = shape(&entry.tool);
            assert!(members.iter().all(|member| member.name != CONFIRMATION), "{}", entry.tool.name);
        }
    }
}
