//! The arguments of `tools call`: a JSON object, `name=value` pairs, or both.
//!
//! `limit=5` is a string, which the argument check converts to a number if the schema requires one. `ids:=["a"]` is
//! JSON, `budget.total=5000` sets a member of an object, and `ids[]=a` adds an item to a list.

use std::{collections::HashSet, fmt, io::Read};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, map};

/// The maximum size of the arguments, which is also the HTTP server's maximum for a message.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The maximum depth of a dotted name. No schema of Scope3 comes close.
const MAX_DEPTH: usize = 16;

/// The maximum length of input that an error repeats.
pub(in super::super) const MAX_ECHO_BYTES: usize = 64;

/// Arguments that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ArgumentError {
    #[error("expected name=value, name:=JSON, a JSON object, or `-` for standard input, got `{0}`")]
    Unclear(String),
    #[error("the arguments are not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("`{name}` is not valid JSON: {problem}")]
    JsonOf { name: String, problem: serde_json::Error },
    #[error("expected the arguments as a JSON object, got {0}")]
    NotAnObject(&'static str),
    #[error("expected the arguments as a JSON object, got nothing")]
    Nothing,
    #[error("`{0}`: expected a name before `=`, with nothing empty between its dots")]
    EmptyName(String),
    #[error("`{0}` is given twice")]
    Twice(String),
    #[error("`{0}`: expected at most {MAX_DEPTH} names between dots")]
    TooDeep(String),
    #[error("expected at most 4 MiB of arguments")]
    TooLong,
    #[error("the arguments on standard input are not UTF-8: {0}")]
    NotUtf8(#[source] std::str::Utf8Error),
    #[error("the arguments on standard input cannot be read: {0}")]
    Input(#[from] std::io::Error),
}

/// Parses the arguments of a command line. `-` reads a JSON object from `input`.
pub(in super::super) fn read(
    given: &[String],
    input: impl Read,
) -> Result<Map<String, Value>, ArgumentError> {
    let mut input = Some(input);
    let mut arguments = Map::new();
    for text in given {
        match text.trim_start().chars().next() {
            Some('-') if text == "-" => {
                let Some(input) = input.take() else { return Err(ArgumentError::Twice("-".to_owned())) };
                add_object(&mut arguments, &read_input(input)?)?;
            }
            None => return Err(ArgumentError::Nothing),
            Some('{' | '[' | '"') => add_object(&mut arguments, text)?,
            Some(_) => add_pair(&mut arguments, text)?,
        }
    }
    Ok(arguments)
}

fn read_input(input: impl Read) -> Result<String, ArgumentError> {
    let mut bytes = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ArgumentError::TooLong);
    }
    String::from_utf8(bytes).map_err(|error| ArgumentError::NotUtf8(error.utf8_error()))
}

fn add_object(arguments: &mut Map<String, Value>, text: &str) -> Result<(), ArgumentError> {
    if text.trim().is_empty() {
        return Err(ArgumentError::Nothing);
    }
    let object = match json(text).map_err(ArgumentError::Json)? {
        Value::Object(object) => object,
        Value::Array(_) => return Err(ArgumentError::NotAnObject("an array")),
        Value::String(_) => return Err(ArgumentError::NotAnObject("a string")),
        Value::Number(_) => return Err(ArgumentError::NotAnObject("a number")),
        Value::Bool(_) => return Err(ArgumentError::NotAnObject("a boolean")),
        Value::Null => return Err(ArgumentError::NotAnObject("null")),
    };
    for (name, value) in object {
        match arguments.entry(name) {
            map::Entry::Vacant(free) => free.insert(value),
            map::Entry::Occupied(taken) => return Err(ArgumentError::Twice(echo(taken.key()))),
        };
    }
    Ok(())
}

fn add_pair(arguments: &mut Map<String, Value>, text: &str) -> Result<(), ArgumentError> {
    let unclear = || ArgumentError::Unclear(echo(text));
    let (name, value) = text.split_once('=').ok_or_else(unclear)?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = json(value).map_err(|problem| ArgumentError::JsonOf { name: echo(name), problem })?;
            (name, value)
        }
        None => (name, Value::from(value)),
    };
    let (path, is_item) = name.strip_suffix("[]").map_or((name, false), |list| (list, true));
    let names: Vec<&str> = path.split('.').collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(ArgumentError::EmptyName(echo(name)));
    }
    if names.len() > MAX_DEPTH {
        return Err(ArgumentError::TooDeep(echo(name)));
    }
    put(arguments, &names, value, is_item).ok_or_else(|| ArgumentError::Twice(echo(name)))
}

/// Sets the value at a path, or appends it to the list there. `None` if there is another value.
fn put(object: &mut Map<String, Value>, names: &[&str], value: Value, is_item: bool) -> Option<()> {
    let (name, inner) = names.split_first()?;
    let place = object.entry(*name);
    if !inner.is_empty() {
        return put(place.or_insert_with(|| Map::new().into()).as_object_mut()?, inner, value, is_item);
    }
    if is_item {
        place.or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?.push(value);
        return Some(());
    }
    match place {
        map::Entry::Vacant(free) => {
            free.insert(value);
            Some(())
        }
        map::Entry::Occupied(_) => None,
    }
}

/// The beginning of the input, for an error.
fn echo(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_ECHO_BYTES);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

/// Parses JSON and rejects duplicate members: if an amount is given twice, neither may be ignored.
fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<UniqueMembers>(text)?;
    serde_json::from_str(text)
}

/// JSON without duplicate members.
struct UniqueMembers;

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                members.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format_args!("`{}` is given twice", echo(&name))));
            }
            names.insert(name);
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(given: &[&str], input: &str) -> Result<Value, String> {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        read(&given, input.as_bytes()).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn pairs_and_objects_are_merged_into_one_object() {
        for (given, expected) in [
            (&[][..], json!({})),
            (&["{}"], json!({})),
            (&["brandAgentId=123", "limit=5"], json!({ "brandAgentId": "123", "limit": "5" })),
            (&["limit:=5", "on:=true", "none:=null"], json!({ "limit": 5, "on": true, "none": null })),
            (&["a.b=1", "a.c.d:=2"], json!({ "a": { "b": "1", "c": { "d": 2 } } })),
            (&["ids[]=a", "ids[]=b", "a.n[]:=1"], json!({ "ids": ["a", "b"], "a": { "n": [1] } })),
            (&["{\"a\":{\"b\":1}}", "a.c=2"], json!({ "a": { "b": 1, "c": "2" } })),
            (
                &["a=", "b==", "c=x:=y", "d={\"e\":1}"],
                json!({ "a": "", "b": "=", "c": "x:=y", "d": "{\"e\":1}" }),
            ),
            (&["-", "b=2"], json!({ "a": 1, "b": "2" })),
        ] {
            assert_eq!(read_all(given, " {\"a\":1}\n"), Ok(expected), "{given:?}");
        }
    }

    #[test]
    fn invalid_arguments_are_rejected_with_the_reason() {
        let long = format!("{}=1", "a.".repeat(40) + "a");
        for (given, expected) in [
            (&["{\"a\":"][..], "not valid JSON: EOF"),
            (&["[1]"], "got an array"),
            (&["\"text\""], "got a string"),
            (&["5"], "expected name=value, name:=JSON, a JSON object, or `-` for standard input, got `5`"),
            (&["null"], "got `null`"),
            (&[""], "got nothing"),
            (&["  "], "got nothing"),
            (&["=1"], "expected a name before `=`"),
            (&["a..b=1"], "`a..b`: expected a name"),
            (&["a:=x"], "`a` is not valid JSON: expected value"),
            (&["a:="], "`a` is not valid JSON: EOF"),
            (&["a=1", "a=2"], "`a` is given twice"),
            (&["a=1", "a.b=2"], "`a.b` is given twice"),
            (&["a.b=1", "a=2"], "`a` is given twice"),
            (&["a=1", "a[]=2"], "`a[]` is given twice"),
            (&["{\"a\":1}", "{\"a\":1}"], "`a` is given twice"),
            (&["{\"a\":1,\"a\":2}"], "`a` is given twice"),
            (&["{\"b\":[{\"a\":1,\"a\":2}]}"], "`a` is given twice"),
            (&["b:={\"a\":{\"c\":1,\"c\":2}}"], "`c` is given twice"),
            (&["-", "-"], "`-` is given twice"),
            (&[&long], "expected at most 16 names"),
            (&["{\"a\":1} x"], "trailing characters"),
        ] {
            let problem = read_all(given, "{\"b\":1}").unwrap_err();
            assert!(problem.contains(expected), "{given:?}: {problem}");
            assert!(problem.len() < 200, "{problem}");
        }
    }

    #[test]
    fn standard_input_is_limited_in_size() {
        for (input, expected) in [
            (String::new(), "got nothing"),
            ("7".to_owned(), "got a number"),
            ("true".to_owned(), "got a boolean"),
            ("null".to_owned(), "got null"),
            ("[".repeat(100_000), "recursion limit exceeded"),
            (format!("{{\"a\":\"{}\"}}", "x".repeat(5_000_000)), "at most 4 MiB"),
        ] {
            let problem = read_all(&["-"], &input).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        let endless = read(&["-".to_owned()], std::io::repeat(b' ')).unwrap_err();
        assert!(matches!(endless, ArgumentError::TooLong), "{endless}");
        let latin = read(&["-".to_owned()], &b"{\"a\":\"\xe9\"}"[..]).unwrap_err();
        assert!(latin.to_string().contains("UTF-8"), "{latin}");
    }
}
