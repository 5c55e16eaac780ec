//! Results that fit: a model gets at most so many tokens, and can read the rest.

mod cut;
pub(crate) mod estimate;
mod read;
mod select;
mod store;

use scope3_mcp_catalog::{Entry, FIELDS, Problem};
use serde_json::{Map, Value};

use self::read::{Missing, Part};
pub(crate) use self::store::Results;
pub use self::store::{Kept, LIFETIME};
use crate::{CallError, Caller, Gateway, Reader, Success, failure::Failure, record::CallRecord};

/// What a note about a cut costs, in tokens.
const NOTE_TOKENS: usize = 150;

impl Gateway {
    /// Makes a result fit its reader. What a model does not see is kept for [`LIFETIME`].
    pub(super) fn fit(
        &self,
        entry: &Entry,
        reader: Reader,
        fields: &[String],
        mut success: Success,
        record: &CallRecord,
    ) -> Success {
        if !fields.is_empty() {
            let missing = select::select(&mut success.data, fields);
            if !missing.is_empty() {
                success.notes.insert("missingFields".to_owned(), missing.into());
            }
        }
        let budget = self.max_result;
        if reader != Reader::Model
            || success.sentence.is_some()
            || estimate::of_value_within(&success.data, budget)
        {
            return success;
        }
        let whole = serde_json::to_string(&success.data).unwrap_or_default();
        let cuts = cut::cut(&mut success.data, budget.saturating_sub(NOTE_TOKENS));
        let id = record.key.and_then(|key| self.results.keep(key, &entry.tool.name, whole));
        let mut note = Map::from_iter([("parts".to_owned(), cut::in_words(&cuts))]);
        let how = match id {
            Some(id) => {
                note.insert("result".to_owned(), id.into());
                "read_result shows the rest for 10 minutes, by path, page or text."
            }
            None => "The whole result is too long to keep. Ask for less.",
        };
        let fields = if entry.tool.has_fields() { " `fields` selects members." } else { "" };
        note.insert("message".to_owned(), format!("Only the beginning is shown. {how}{fields}").into());
        success.notes.insert("cut".to_owned(), note.into());
        success
    }

    /// Reads a part of a result that is kept.
    pub(super) async fn read_result(
        &self,
        entry: &Entry,
        caller: &Caller,
        arguments: &Map<String, Value>,
    ) -> Result<Map<String, Value>, CallError> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let number = |name: &str| {
            arguments.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
        };
        let id = text("result").unwrap_or_default();
        let kept = self.kept(caller, id).await?.ok_or_else(|| Failure::no_result(id))?;
        let data: Value = serde_json::from_str(&kept.json).map_err(|_| Failure::internal(false))?;
        let part = Part {
            path: text("path").unwrap_or_default(),
            offset: number("offset").unwrap_or_default(),
            limit: number("limit"),
            contains: text("contains"),
        };
        let budget = self.max_result.saturating_sub(NOTE_TOKENS);
        read::read(id, &data, &part, budget).map_err(|Missing { exists, there, nearest }| {
            let place = if exists.is_empty() { "the result".to_owned() } else { format!("`{exists}`") };
            let problem = Problem {
                did_you_mean: nearest,
                ..Problem::at("path", format!("leads to nothing; {place} has {}", there.join(", ")))
            };
            Failure::arguments(entry, &problem.into()).into()
        })
    }

    /// A result that is kept for a caller.
    ///
    /// # Errors
    /// If the caller has no key.
    pub async fn kept(&self, caller: &Caller, id: &str) -> Result<Option<Kept>, CallError> {
        Ok(self.results.get(&caller.keys.identities().await.map_err(Failure::key)?, id))
    }

    /// The results that are kept for a caller, newest first.
    pub async fn all_kept(&self, caller: &Caller) -> Vec<Kept> {
        caller.keys.identities().await.map_or_else(|_| Vec::new(), |keys| self.results.of(&keys))
    }
}

/// Takes the selection of members out of the arguments of a read.
pub(super) fn take_fields(
    entry: &Entry,
    arguments: &mut Map<String, Value>,
) -> Result<Vec<String>, CallError> {
    const MAX_FIELDS: usize = 50;
    const MAX_FIELD_BYTES: usize = 200;
    if !entry.tool.has_fields() {
        return Ok(Vec::new());
    }
    let Some(given) = arguments.remove(FIELDS) else { return Ok(Vec::new()) };
    let fields: Option<Vec<String>> = given
        .as_array()
        .map(|fields| fields.iter().map(|field| field.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let fits = |fields: &Vec<String>| {
        fields.len() <= MAX_FIELDS && fields.iter().all(|field| field.len() <= MAX_FIELD_BYTES)
    };
    fields.filter(fits).ok_or_else(|| {
        let problem = Problem::at(
            FIELDS,
            format!("expected at most {MAX_FIELDS} paths such as \"campaigns.name\", in a list"),
        );
        Failure::arguments(entry, &problem.into()).into()
    })
}
