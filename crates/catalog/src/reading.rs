//! Corrects arguments whose meaning is clear, and finds problems that a validator would find too late or not at all.
//!
//! Models wrap values in strings, clients turn digits into numbers, and strict modes fill in every argument. A value with
//! only one possible meaning is corrected. A tool that changes something rejects an empty text or a `null`: it can mean
//! "no value" or "clear this".

use serde_json::{Map, Number, Value};

use super::{
    present::portable_name,
    problem::{Place, Problem, Problems, unknown},
    types::Types,
    walk::Schemas,
};

/// The largest whole number that every JSON reader represents exactly: 2^53.
const MAX_EXACT: u64 = 1 << 53;

/// Reads the arguments of one call.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// Whether the tool changes something.
    pub(super) is_change: bool,
    /// The problems found so far.
    pub(super) problems: &'a mut Problems,
    /// The number of values read so far.
    pub(super) values: usize,
}

impl Reader<'_> {
    /// Corrects a value, and reports what cannot be corrected. Unknown members are reported and removed.
    pub(super) fn read(&mut self, value: &mut Value, schemas: &Schemas<'_>, place: Place<'_>) {
        self.read_as(value, schemas, schemas.types(), place);
    }

    fn read_as(&mut self, value: &mut Value, schemas: &Schemas<'_>, types: Types, place: Place<'_>) {
        self.values += 1;
        if schemas.is_empty() {
            return;
        }
        if let Value::String(text) = &*value
            && !types.has("string")
            && let Ok(inner) = serde_json::from_str::<Value>(text)
            && has_type(&inner, types)
        {
            *value = inner;
        }
        match value {
            Value::Number(number) if types.has("string") && !types.has("integer") => {
                match whole_number_text(number) {
                    Some(Ok(text)) => *value = text.into(),
                    Some(Err(TooLarge)) => self.problems.add(|| Problem::at(place.path(), TOO_LARGE)),
                    None => {}
                }
            }
            Value::String(text) if self.is_change && types.has("string") && text.trim().is_empty() => {
                let may_be_empty =
                    schemas.iter().any(|part| part.get("minLength").is_some_and(|least| least == 0));
                let is_listed =
                    schemas.iter().any(|part| part.contains_key("enum") || part.contains_key("const"));
                if !may_be_empty && !is_listed {
                    self.problems.add(|| Problem::at(place.path(), "must not be empty"));
                }
            }
            Value::Object(members) => self.members(members, schemas, place),
            Value::Array(items) => self.items(items, schemas, place),
            _ => {}
        }
    }

    fn members(&mut self, members: &mut Map<String, Value>, schemas: &Schemas<'_>, place: Place<'_>) {
        original_names(members, schemas);
        if !schemas.is_open() {
            let problems = &mut *self.problems;
            members.retain(|name, _| {
                let is_known = schemas.has_member(name);
                if !is_known {
                    problems.add(|| unknown(Place::Member(&place, name).path(), name, &schemas.members()));
                }
                is_known
            });
        }
        let (is_change, problems) = (self.is_change, &mut *self.problems);
        members.retain(|name, member| {
            // The validator reports a required member that is `null`.
            let is_ambiguous = member.is_null()
                && schemas.has_member(name)
                && !schemas.is_required(name)
                && !schemas.member(name).types().has("null");
            if is_ambiguous && is_change {
                problems.add(|| {
                    Problem::at(
                        Place::Member(&place, name).path(),
                        "must not be null: omit the argument to leave the value unchanged",
                    )
                });
            }
            !is_ambiguous
        });
        for (name, member) in members {
            self.read(member, &schemas.member(name), Place::Member(&place, name));
        }
    }

    fn items(&mut self, items: &mut [Value], schemas: &Schemas<'_>, place: Place<'_>) {
        let prefix_length = schemas.prefix_length();
        let rest = schemas.item(prefix_length);
        let rest_types = rest.types();
        for (position, item) in items.iter_mut().enumerate() {
            let place = Place::Item(&place, position);
            if position < prefix_length {
                self.read(item, &schemas.item(position), place);
            } else {
                self.read_as(item, &rest, rest_types, place);
            }
        }
    }
}

/// Gives members that are listed under a portable name their original names.
fn original_names(members: &mut Map<String, Value>, schemas: &Schemas<'_>) {
    let unportable = schemas.members().into_iter().filter(|name| portable_name(name) != *name);
    for original in unportable {
        let listed = portable_name(original);
        if !schemas.has_member(&listed)
            && !members.contains_key(original)
            && let Some(value) = members.shift_remove(&listed)
        {
            members.insert(original.to_owned(), value);
        }
    }
}

/// Whether a value that was wrapped in a string has an expected type.
fn has_type(value: &Value, types: Types) -> bool {
    match value {
        Value::Null | Value::String(_) => false,
        Value::Bool(_) => types.has("boolean"),
        Value::Number(number) if number.is_f64() => types.has("number"),
        Value::Number(number) => {
            types.has("number") || (types.has("integer") && (number.is_i64() || number.is_u64()))
        }
        Value::Array(_) => types.has("array"),
        Value::Object(_) => types.has("object"),
    }
}

struct TooLarge;

const TOO_LARGE: &str = "must be a string: whole numbers above 9007199254740992 (2^53) lose digits in transit, so put \
                         the id in quotes";

/// A whole number as text; `None` for any other number.
fn whole_number_text(number: &Number) -> Option<Result<String, TooLarge>> {
    if let Some(whole) = number.as_i64() {
        return Some(if whole.unsigned_abs() <= MAX_EXACT { Ok(whole.to_string()) } else { Err(TooLarge) });
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
    let is_exact = float.abs() <= MAX_EXACT as f64;
    Some(if is_exact { Ok(format!("{float:.0}")) } else { Err(TooLarge) })
}
