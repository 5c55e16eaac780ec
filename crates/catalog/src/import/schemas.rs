//! Turns the schemas of OpenAPI 3.0 and 3.1 into JSON Schema 2020-12 without prose.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use serde_json::{Map, Value, json};

use super::{
    error::{At, Fault},
    limits::{MAX_SHARED, circle, heaviest},
};
use crate::{problem::type_of, walk::percent_decoded};

/// What a keyword of a schema contains.
#[derive(Clone, Copy)]
enum Kind {
    /// The name of a type, or a list of them.
    Type,
    /// A number.
    Number,
    /// A whole number of at least 0.
    Count,
    /// A boolean.
    Flag,
    /// A text.
    Text,
    /// A regular expression.
    Pattern,
    /// Any value.
    Value,
    /// A list of values.
    Values,
    /// A list of texts.
    Names,
    /// A schema.
    Schema,
    /// A boolean or a schema.
    Extra,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Members,
}

/// The keywords that say what is valid, in the order in which contracts have them. Every other keyword is dropped.
const KEYWORDS: [(&str, Kind); 32] = [
    ("type", Kind::Type),
    ("const", Kind::Value),
    ("enum", Kind::Values),
    ("format", Kind::Text),
    ("pattern", Kind::Pattern),
    ("minLength", Kind::Count),
    ("maxLength", Kind::Count),
    ("minimum", Kind::Number),
    ("maximum", Kind::Number),
    ("exclusiveMinimum", Kind::Number),
    ("exclusiveMaximum", Kind::Number),
    ("multipleOf", Kind::Number),
    ("minItems", Kind::Count),
    ("maxItems", Kind::Count),
    ("uniqueItems", Kind::Flag),
    ("minProperties", Kind::Count),
    ("maxProperties", Kind::Count),
    ("default", Kind::Value),
    ("deprecated", Kind::Flag),
    ("required", Kind::Names),
    ("properties", Kind::Members),
    ("patternProperties", Kind::Members),
    ("propertyNames", Kind::Schema),
    ("additionalProperties", Kind::Extra),
    ("items", Kind::Schema),
    ("prefixItems", Kind::Schemas),
    ("allOf", Kind::Schemas),
    ("anyOf", Kind::Schemas),
    ("oneOf", Kind::Schemas),
    ("not", Kind::Schema),
    ("contains", Kind::Schema),
    ("unevaluatedProperties", Kind::Extra),
];

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// Where documents keep the schemas that they share.
const SHARED: &str = "#/components/schemas/";

/// Converts the schemas of one document, and collects those that they refer to.
pub(super) struct Converter<'a> {
    document: &'a Value,
    /// OpenAPI 3.0 has keywords of its own, and ignores what stands next to a `$ref`.
    is_3_0: bool,
    /// The references that have been met: the name of each target by its pointer.
    names: BTreeMap<String, String>,
    /// The pointers that still have to be converted.
    pending: Vec<String>,
    /// Whether the validator accepts a pattern, by pattern.
    patterns: HashMap<String, bool>,
    /// When the conversion has to be done.
    until: Option<Instant>,
    /// What was left out, for people.
    pub(super) notes: Vec<String>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(document: &'a Value, is_3_0: bool, until: Option<Instant>) -> Self {
        Self {
            document,
            is_3_0,
            names: BTreeMap::new(),
            pending: Vec::new(),
            patterns: HashMap::new(),
            until,
            notes: Vec::new(),
        }
    }

    /// Converts a schema.
    pub(super) fn convert(&mut self, schema: &Value, at: At<'_>) -> Result<Map<String, Value>, Fault> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(at.fault("reading the document takes too long"));
        }
        let source = match schema {
            Value::Object(source) => source,
            Value::Bool(true) => return Ok(Map::new()),
            Value::Bool(false) => return Ok(Map::from_iter([("not".to_owned(), json!({}))])),
            other => return Err(at.expected("a schema", type_of(other))),
        };
        let mut schema = Map::new();
        if let Some(target) = source.get("$ref") {
            let reference = self.reference(target, at.member("$ref"))?;
            schema.insert("$ref".to_owned(), reference.into());
            if self.is_3_0 {
                return Ok(schema);
            }
        }
        for (keyword, kind) in KEYWORDS {
            // OpenAPI 3.0 has flags that make the other limit exclusive.
            let is_flag = self.is_3_0 && keyword.starts_with("exclusive");
            if let Some(value) = source.get(keyword).filter(|value| !(is_flag && value.is_boolean()))
                && let Some(kept) = self.keyword(kind, value, at.member(keyword))?
            {
                schema.insert(keyword.to_owned(), kept);
            }
        }
        if self.is_3_0 {
            for (flag, limit) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
                if source.get(flag) == Some(&Value::Bool(true))
                    && let Some(value) = schema.shift_remove(limit)
                {
                    schema.insert(flag.to_owned(), value);
                }
            }
        }
        let schema = folded(schema);
        let is_nullable = self.is_3_0 && source.get("nullable") == Some(&Value::Bool(true));
        Ok(if is_nullable { nullable(schema) } else { schema })
    }

    /// The value of a keyword. `None` if it is left out.
    fn keyword(&mut self, kind: Kind, value: &Value, at: At<'_>) -> Result<Option<Value>, Fault> {
        let is_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
        let list = || value.as_array().map(Vec::as_slice).unwrap_or_default();
        let (is_valid, expected) = match kind {
            Kind::Type => {
                let types = value.as_array().is_some_and(|names| names.iter().all(is_type));
                (is_type(value) || types, "the name of a type")
            }
            Kind::Number => (value.is_number(), "a number"),
            Kind::Count => (value.is_u64(), "a whole number"),
            Kind::Flag => (value.is_boolean(), "a boolean"),
            Kind::Text | Kind::Pattern => (value.is_string(), "a text"),
            Kind::Values => (!list().is_empty(), "a list of values"),
            Kind::Names => (value.is_array() && list().iter().all(Value::is_string), "a list of texts"),
            Kind::Schemas => (!list().is_empty(), "a list of schemas"),
            Kind::Members => (value.is_object(), "schemas by name"),
            Kind::Value | Kind::Schema | Kind::Extra => (true, ""),
        };
        if !is_valid {
            return Err(at.expected(expected, value));
        }
        Ok(match (kind, value) {
            (Kind::Value, Value::Null) => None,
            (Kind::Pattern, Value::String(pattern)) => {
                self.is_usable(pattern, at).then(|| pattern.clone().into())
            }
            (Kind::Extra, Value::Bool(_)) => Some(value.clone()),
            (Kind::Schema | Kind::Extra, schema) => Some(self.convert(schema, at)?.into()),
            (Kind::Schemas, Value::Array(schemas)) => {
                let converted = schemas.iter().enumerate().map(|(position, schema)| {
                    self.convert(schema, At::Item(&at, position)).map(Value::Object)
                });
                Some(converted.collect::<Result<Vec<_>, _>>()?.into())
            }
            (Kind::Members, Value::Object(members)) => {
                let converted = members
                    .iter()
                    .map(|(name, schema)| Ok((name.clone(), self.convert(schema, at.member(name))?.into())));
                Some(converted.collect::<Result<Map<_, _>, Fault>>()?.into())
            }
            (_, value) => Some(value.clone()),
        })
    }

    /// Whether the validator accepts a pattern. Patterns are JavaScript's, which has more than most engines.
    fn is_usable(&mut self, pattern: &str, at: At<'_>) -> bool {
        let known = self.patterns.get(pattern).copied();
        let is_usable =
            known.unwrap_or_else(|| jsonschema::validator_for(&json!({ "pattern": pattern })).is_ok());
        if known.is_none() {
            self.patterns.insert(pattern.to_owned(), is_usable);
        }
        if !is_usable {
            let fault = at.fault("left out: the validator cannot read this pattern");
            self.notes.push(format!("{}: {}", fault.path(), fault.why));
        }
        is_usable
    }

    /// The reference in the contract for a reference in the document.
    fn reference(&mut self, target: &Value, at: At<'_>) -> Result<String, Fault> {
        let Some(pointer) = target.as_str() else { return Err(at.expected("a text", type_of(target))) };
        let Some(fragment) = pointer.strip_prefix('#').filter(|fragment| fragment.starts_with('/')) else {
            return Err(
                at.expected("a reference within the document, such as `#/components/schemas/Thing`", pointer)
            );
        };
        if self.document.pointer(&percent_decoded(fragment)).is_none() {
            return Err(at.fault(format!("`{}` is not in the document", crate::shortened(pointer))));
        }
        if let Some(name) = self.names.get(pointer) {
            return Ok(format!("#/$defs/{name}"));
        }
        if self.names.len() >= MAX_SHARED {
            return Err(at.fault(format!("expected at most {MAX_SHARED} shared schemas, got more")));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let steps = pointer.strip_prefix(SHARED).unwrap_or(fragment.trim_start_matches('/'));
        let name: String = steps.chars().map(|c| if is_plain(c) { c } else { '.' }).collect();
        if self.names.values().any(|known| *known == name) {
            return Err(at.fault(format!("`{name}` is the name of two schemas")));
        }
        self.names.insert(pointer.to_owned(), name.clone());
        self.pending.push(pointer.to_owned());
        Ok(format!("#/$defs/{name}"))
    }

    /// The schemas that were referred to, with all that they refer to.
    pub(super) fn shared(&mut self) -> Result<BTreeMap<String, Value>, Fault> {
        let mut shared = BTreeMap::new();
        while let Some(pointer) = self.pending.pop() {
            let steps: Vec<String> = pointer
                .split('/')
                .skip(1)
                .map(|step| percent_decoded(step).replace("~1", "/").replace("~0", "~"))
                .collect();
            let fragment = percent_decoded(pointer.trim_start_matches('#'));
            let Some(schema) = self.document.pointer(&fragment) else { continue };
            let converted = with_path(&steps, At::Root, &mut |at| self.convert(schema, at))?;
            let Some(name) = self.names.get(&pointer) else { continue };
            shared.insert(name.clone(), converted.into());
        }
        let (name, why) = match (circle(&shared), heaviest(&shared)) {
            (Some(name), _) => (name, "expected a schema, got one that consists of itself"),
            (None, Some(name)) => (name, "expected a schema with fewer alternatives"),
            (None, None) => return Ok(shared),
        };
        let pointer = self.names.iter().find(|(_, known)| **known == name);
        let steps = pointer.iter().flat_map(|(pointer, _)| pointer.split('/').skip(1));
        Err(Fault { steps: steps.map(str::to_owned).collect(), why: why.to_owned() })
    }
}

/// Calls `then` with the location that these steps lead to.
fn with_path<Made>(steps: &[String], at: At<'_>, then: &mut dyn FnMut(At<'_>) -> Made) -> Made {
    match steps.split_first() {
        None => then(at),
        Some((step, rest)) => with_path(rest, at.member(step), then),
    }
}

/// A schema in its shortest form: alternatives that are lists of values become one list, and an `allOf` of one schema that
/// schema.
fn folded(mut schema: Map<String, Value>) -> Map<String, Value> {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        if schema.len() == 1
            && let Some(Value::Array(branches)) = schema.get_mut(keyword)
        {
            if let [Value::Object(only)] = branches.as_mut_slice() {
                return std::mem::take(only);
            }
            if keyword != "allOf"
                && let Some(values) = one_list(branches)
            {
                return values;
            }
        }
    }
    schema
}

/// The alternatives as one list of values, if each is a list of values of the same type.
fn one_list(branches: &[Value]) -> Option<Map<String, Value>> {
    let kind = branches.first()?.get("type")?.as_str()?;
    let mut values = Vec::new();
    for branch in branches {
        let branch = branch.as_object().filter(|branch| branch.len() == 2 && branch["type"] == kind)?;
        match (branch.get("enum"), branch.get("const")) {
            (Some(Value::Array(listed)), _) => values.extend(listed.iter().cloned()),
            (_, Some(value)) => values.push(value.clone()),
            _ => return None,
        }
    }
    Some(Map::from_iter([("type".to_owned(), kind.into()), ("enum".to_owned(), values.into())]))
}

/// The same schema, which also accepts `null`.
fn nullable(mut schema: Map<String, Value>) -> Map<String, Value> {
    let Some(name) = schema.get("type").cloned() else {
        let is_any = schema.is_empty();
        let either = || Map::from_iter([("anyOf".to_owned(), json!([schema, { "type": "null" }]))]);
        return if is_any { Map::new() } else { either() };
    };
    if name.is_string() {
        schema.insert("type".to_owned(), json!([name, "null"]));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    schema
}
