//! Reads a document as plain values. JSON is read as YAML, of which it is a part.

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::{Options, Spanned};

use super::error::{Fault, ImportError, Line};

/// The maximum size of a document. The largest that Scope3 publishes has 4 MB.
pub const MAX_BYTES: usize = 32 << 20;

/// The maximum number of values. The largest document that Scope3 publishes has 250,000.
const MAX_VALUES: usize = 1_500_000;

/// The maximum depth of a value. Everything that walks documents is recursive.
const MAX_DEPTH: usize = 96;

/// The maximum number of values that aliases may repeat.
const MAX_REPEATED_VALUES: usize = 200_000;

/// Reads a document.
///
/// # Errors
/// If it is neither YAML nor JSON, or exceeds the limits.
pub(super) fn read(bytes: &[u8]) -> Result<Value, ImportError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImportError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ImportError::Unreadable {
        at: Line(Some(line_at(bytes, error.valid_up_to()))),
        why: "expected UTF-8".to_owned(),
    })?;
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let at = Line(error.location().map(|location| location.line()));
        // The rest of a message shows the surroundings.
        let why = error.without_snippet().to_string();
        let why = why.lines().next().unwrap_or_default();
        ImportError::Unreadable { at, why: format!("expected YAML or JSON: {why}") }
    })
}

/// The error for a fault, with the line of the innermost value on its path that the document has.
pub(super) fn locate(bytes: &[u8], fault: Fault) -> ImportError {
    let path = fault.path();
    let mut line = None;
    let seed = Locator { steps: &fault.steps, line: &mut line };
    if let Ok(text) = std::str::from_utf8(bytes) {
        // A document that was read once can be read again; without its line, an error still has its path.
        let found = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |deserializer| {
            seed.deserialize(deserializer)
        });
        drop(found);
    }
    ImportError::At { line: Line(line), path, why: fault.why }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 3 * MAX_VALUES,
            max_nodes: MAX_VALUES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_total_scalar_bytes: MAX_BYTES,
            max_recorded_anchor_events: MAX_REPEATED_VALUES,
            max_recorded_anchor_bytes: MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED_VALUES },
        strict_booleans: true,
    }
}

fn line_at(bytes: &[u8], position: usize) -> u64 {
    let before = bytes.get(..position).unwrap_or(bytes);
    before.iter().fold(1, |lines, byte| lines + u64::from(*byte == b'\n'))
}

/// Finds the line of a value.
struct Locator<'a> {
    steps: &'a [String],
    line: &'a mut Option<u64>,
}

impl<'de> DeserializeSeed<'de> for Locator<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locator<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let Some((step, rest)) = self.steps.split_first() else { return ignore_members(members) };
        while let Some(name) = members.next_key::<Spanned<String>>()? {
            if name.value == *step {
                *self.line = Some(name.referenced.line());
                members.next_value_seed(Locator { steps: rest, line: &mut *self.line })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let step =
            self.steps.split_first().and_then(|(step, rest)| Some((step.parse::<usize>().ok()?, rest)));
        let Some((position, rest)) = step else { return ignore_items(items) };
        for _ in 0..position {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Locator { steps: rest, line: &mut *self.line })?;
        ignore_items(items)
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn ignore_members<'de, M: MapAccess<'de>>(mut members: M) -> Result<(), M::Error> {
    while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn ignore_items<'de, S: SeqAccess<'de>>(mut items: S) -> Result<(), S::Error> {
    while items.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}
