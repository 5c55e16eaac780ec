//! The arguments of a request: read from its path, query and body, and checked against the catalog's full schema.

use scope3_mcp_catalog::{Binding, EntryRef, IdempotencyKey, Place, Style};
use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{
    Incoming,
    envelope::{Answer, Refusal},
    multipart,
};

/// Valid arguments, by their names in the catalog.
#[derive(Debug, Clone)]
pub(super) struct Arguments {
    all: Map<String, Value>,
    /// The names of those that came in the body.
    in_body: Vec<String>,
    /// Members of the body that are true and say that a person has agreed. Tools have no arguments for them.
    agreed: Vec<String>,
}

impl Arguments {
    /// Reads and checks the arguments of a request.
    pub(super) fn read(
        entry: &EntryRef,
        path: &[(String, String)],
        request: &Incoming<'_>,
        body: &[u8],
    ) -> Answer<Self> {
        let bindings = entry.tool.request.as_ref().map(|request| &*request.bindings).unwrap_or_default();
        let mut all = Map::new();
        let (mut in_body, mut agreed) = (Vec::new(), Vec::new());
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let boundary = header("content-type").and_then(multipart::boundary);
        let (place, members) = match boundary {
            Some(boundary) => (Place::Part, multipart::parts(boundary, body)),
            None => (Place::Body, members(body)?),
        };
        for (name, value) in members {
            // The server that tests use adds both after its own checks, so the schema does not have them.
            let is_key = matches!(&entry.tool.idempotency, Some(IdempotencyKey::Body(key)) if *key == name);
            let is_consent = entry.tool.by_consent.iter().any(|path| *path == name);
            if is_consent && value == true {
                agreed.push(name.clone());
            }
            if is_key || is_consent {
                continue;
            }
            let argument = argument(bindings, place, &name).unwrap_or(&name).to_owned();
            in_body.push(argument.clone());
            all.insert(argument, value);
        }
        for (name, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
            let binding = bindings.iter().find(|binding| {
                binding.place == Place::Query
                    && binding.name.trim_end_matches("[]") == name.trim_end_matches("[]")
            });
            let is_comma = binding.is_some_and(|binding| binding.style == Style::Comma);
            let argument = binding.map_or(&*name, |binding| &*binding.argument).to_owned();
            let values: Vec<&str> = if is_comma { value.split(',').collect() } else { vec![&*value] };
            for value in values {
                add(&mut all, &argument, value.into(), is_comma || takes_list(entry, &argument));
            }
        }
        for binding in bindings.iter().filter(|binding| binding.place == Place::Header) {
            if let Some(value) = header(&binding.name) {
                all.insert(binding.argument.to_string(), value.into());
            }
        }
        for (name, value) in path {
            let argument = argument(bindings, Place::Path, name).unwrap_or(name).to_owned();
            in_body.retain(|other| *other != argument);
            all.insert(argument, value.clone().into());
        }
        // The argument of the tool is the file; the body describes it.
        let upload = entry.tool.signed_upload.as_ref().map(|upload| &*upload.argument);
        let described = upload.and_then(|name| Some((name, all.get_mut(name)?)));
        let described =
            described.map(|(name, value)| (name.to_owned(), std::mem::replace(value, "described".into())));
        let mut all = entry.check_arguments(all).map_err(|problems| {
            let issue = |problem: &scope3_mcp_catalog::Problem| {
                json!({ "path": dotted(&problem.path), "message": problem.message, "allowed": problem.allowed })
            };
            Refusal::invalid(&problems.iter().map(issue).collect::<Vec<_>>())
        })?;
        all.extend(described);
        Ok(Self { all, in_body, agreed })
    }

    /// The members of the body.
    pub(super) fn body(&self) -> Map<String, Value> {
        let members = self.all.iter().filter(|(name, _)| self.in_body.contains(name));
        members.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The arguments that are not in the body, but in the path or the query.
    pub(super) fn outside_body(&self) -> impl Iterator<Item = (&str, &Value)> {
        let outside = self.all.iter().filter(|(name, _)| !self.in_body.contains(name));
        outside.map(|(name, value)| (name.as_str(), value))
    }

    /// The argument at a JSON pointer, if it is there and not null.
    pub(super) fn get(&self, pointer: &str) -> Option<&Value> {
        let (name, rest) = pointer.split_once('/').map_or((pointer, None), |(name, rest)| (name, Some(rest)));
        let value = self.all.get(name)?;
        let value = rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))?;
        (!value.is_null()).then_some(value)
    }

    /// Whether the request says that a person has agreed, under this name.
    pub(super) fn is_agreed(&self, name: &str) -> bool {
        self.agreed.iter().any(|agreed| agreed == name)
    }

    /// Whether an argument was given, even as null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.get(pointer)?.as_str()
    }

    /// An id, which may be sent as a number.
    pub(super) fn id(&self, pointer: &str) -> Option<String> {
        self.get(pointer).and_then(id)
    }

    /// Whether an argument is true. In a query, it may be a text.
    pub(super) fn is_true(&self, pointer: &str) -> bool {
        self.get(pointer).is_some_and(|value| *value == true || *value == "true")
    }

    pub(super) fn count(&self, pointer: &str) -> Option<usize> {
        let value = self.get(pointer)?;
        let count = value.as_u64().or_else(|| value.as_f64().map(whole));
        usize::try_from(count?).ok()
    }

    pub(super) fn cents(&self, pointer: &str) -> Option<u64> {
        self.get(pointer).and_then(cents)
    }

    pub(super) fn moment(&self, pointer: &str) -> Option<Moment> {
        Moment::parse(self.text(pointer)?)
    }

    /// The items of a list. A single value counts as a list of one.
    pub(super) fn list(&self, pointer: &str) -> Vec<Value> {
        match self.get(pointer) {
            Some(Value::Array(items)) => items.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        }
    }

    /// The ids or other texts of a list.
    pub(super) fn ids(&self, pointer: &str) -> Vec<String> {
        self.list(pointer).iter().filter_map(id).collect()
    }
}

/// The whole part of a number, at least 0.
pub(super) fn whole(float: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates"
    )]
    let part = float as u64;
    part
}

/// An amount in currency units as cents.
pub(super) fn cents(value: &Value) -> Option<u64> {
    value.as_f64().map(|units| whole((units * 100.0).round()))
}

/// An id as text.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The members of a JSON body. An empty body has none.
fn members(body: &[u8]) -> Answer<Map<String, Value>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("The body is not a JSON object: {error}")))
}

/// The argument that has this name in this part of a request.
fn argument<'a>(bindings: &'a [Binding], place: Place, name: &str) -> Option<&'a str> {
    let found = bindings.iter().find(|binding| binding.place == place && binding.name == name);
    found.map(|binding| &*binding.argument)
}

/// Adds a value of the query. Repeated values make a list.
fn add(all: &mut Map<String, Value>, argument: &str, value: Value, is_list: bool) {
    match all.get_mut(argument) {
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = json!([first.clone(), value]),
        None => drop(all.insert(argument.to_owned(), if is_list { json!([value]) } else { value })),
    }
}

/// Whether an argument can only be a list.
fn takes_list(entry: &EntryRef, argument: &str) -> bool {
    let properties = entry.tool.input.object().get("properties");
    properties.is_some_and(|properties| properties[argument]["type"] == "array")
}

/// A path with dots alone: `products.0.budget`.
fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}
