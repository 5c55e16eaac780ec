//! Checking the arguments of a call against the tool's full schema, before anything leaves.

use jsonschema::{
    Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Entry, nearest};

/// One thing that is wrong with the arguments of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Where, such as `budget.total` or `creatives[0].format.type`; empty for the arguments as a whole.
    pub path: String,
    /// What is wrong, without repeating the value.
    pub message: String,
    /// The values that are allowed there, where they are few; for an unknown argument, the known ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
    /// The known argument that is spelt most like an unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
    /// Whether an argument is there that the schema does not name.
    #[serde(skip)]
    pub unknown_argument: bool,
}

impl Entry {
    /// The arguments as they will be sent: values that models wrap in a string are unwrapped where only one
    /// reading fits the schema, and an optional argument that is `null` is left out.
    ///
    /// # Errors
    /// Everything that does not fit the schema, all at once.
    pub fn check_arguments(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
        let mut arguments = Value::Object(arguments);
        unwrap_strings(&mut arguments, self.tool.input.object());
        let problems = self.problems(&arguments);
        match arguments {
            Value::Object(arguments) if problems.is_empty() => Ok(arguments),
            _ => Err(problems),
        }
    }

    /// Everything in a value that does not fit the tool's full schema.
    #[must_use]
    pub fn problems(&self, arguments: &Value) -> Vec<Problem> {
        let validator = self.validator.get_or_init(|| {
            jsonschema::options().should_validate_formats(true).build(&closed(self.tool.input.object())).ok()
        });
        let Some(validator) = validator else {
            // The build refuses schemas that do not compile; should one slip through, nothing may leave unchecked.
            return vec![Problem::at("", "cannot be checked: the tool's schema is broken")];
        };
        self.describe(validator, arguments)
    }

    fn describe(&self, validator: &Validator, arguments: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        for error in validator.iter_errors(arguments) {
            let at = error.instance_path();
            let path = dotted(at, None);
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    let known = self.properties_at(at);
                    problems.extend(unexpected.iter().map(|name| Problem {
                        path: dotted(at, Some(name)),
                        message: "is not an argument of this tool".to_owned(),
                        did_you_mean: nearest(name, known.iter().copied()).map(str::to_owned),
                        allowed: known.iter().map(|&name| name.into()).collect(),
                        unknown_argument: true,
                    }));
                }
                ValidationErrorKind::Required { property } => {
                    problems.push(Problem::at(dotted(at, property.as_str()), "is required"));
                }
                ValidationErrorKind::Enum { options } => problems.push(Problem {
                    allowed: options.as_array().cloned().unwrap_or_default(),
                    ..Problem::at(path, "is not one of the allowed values")
                }),
                ValidationErrorKind::Constant { expected_value } => problems.push(Problem {
                    allowed: vec![Value::clone(expected_value)],
                    ..Problem::at(path, format!("must be {expected_value}"))
                }),
                kind => problems.push(Problem::at(path, explain(kind, error.instance()))),
            }
        }
        problems
    }

    fn properties_at(&self, at: &Location) -> Vec<&str> {
        let schema = at.segments().try_fold(self.tool.input.object(), |schema, segment| match segment {
            LocationSegment::Property(name) => schema.get("properties")?.get(name.as_ref())?.as_object(),
            LocationSegment::Index(_) => schema.get("items")?.as_object(),
        });
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        properties.into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }
}

impl Problem {
    /// A problem without suggestions.
    #[must_use]
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        Self { path, message, allowed: Vec::new(), did_you_mean: None, unknown_argument: false }
    }
}

fn explain(kind: &ValidationErrorKind, value: &Value) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind: TypeKind::Single(wanted) } => {
            format!("must be {}, not {}", with_article(&wanted.to_string()), with_article(type_name(value)))
        }
        Kind::Format { format } => match format.as_str() {
            "date" => "must be a date like 2026-01-31".to_owned(),
            "date-time" => "must be a date and time like 2026-01-31T00:00:00Z".to_owned(),
            "uri" => "must be a whole URL like https://example.com/path".to_owned(),
            other => format!("must have the format `{other}`"),
        },
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} item(s)"),
        Kind::MaxItems { limit } => format!("must have at most {limit} item(s)"),
        Kind::MinProperties { limit } => {
            format!("must have at least {limit} member(s): nothing to change is named")
        }
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        other => format!("does not fit the schema's `{}`", other.keyword()),
    }
}

fn with_article(word: &str) -> String {
    match word {
        "null" => word.to_owned(),
        "integer" | "object" | "array" => format!("an {word}"),
        _ => format!("a {word}"),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn dotted(at: &Location, last: Option<&str>) -> String {
    let mut path = String::new();
    let mut push = |name: &str| {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    };
    let mut indexed = Vec::new();
    for segment in at.segments() {
        match segment {
            LocationSegment::Property(name) => indexed.push(name.into_owned()),
            LocationSegment::Index(index) => match indexed.last_mut() {
                Some(name) => *name = format!("{name}[{index}]"),
                None => indexed.push(format!("[{index}]")),
            },
        }
    }
    indexed.iter().map(String::as_str).chain(last).for_each(&mut push);
    path
}

/// The schema with every object closed, so that a mistyped argument is told and not lost.
fn closed(schema: &Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            if let Value::Object(inner) = property {
                *property = closed(inner);
            }
        }
        schema.entry("additionalProperties").or_insert(false.into());
    }
    if let Some(Value::Object(items)) = schema.get("items") {
        let items = closed(items);
        schema.insert("items".to_owned(), items);
    }
    Value::Object(schema)
}

/// Replaces a string by the JSON it holds where the schema wants another type and the JSON has it, and removes
/// optional members that are `null`. Models do both; neither leaves a doubt about what was meant.
fn unwrap_strings(value: &mut Value, schema: &Map<String, Value>) {
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if let Value::String(text) = &*value
        && let Ok(inner) = serde_json::from_str::<Value>(text)
        && has_type(&inner, wanted)
    {
        *value = inner;
    }
    match value {
        Value::Object(members) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            let required = schema.get("required").and_then(Value::as_array);
            let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|n| n == name));
            members.retain(|name, member| {
                !(member.is_null() && properties.contains_key(name) && !is_required(name))
            });
            for (name, member) in members {
                if let Some(Value::Object(property)) = properties.get(name) {
                    unwrap_strings(member, property);
                }
            }
        }
        Value::Array(items) => {
            if let Some(Value::Object(item_schema)) = schema.get("items") {
                for item in items {
                    unwrap_strings(item, item_schema);
                }
            }
        }
        _ => {}
    }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
