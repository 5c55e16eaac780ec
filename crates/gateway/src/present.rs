//! The result of a call, made from Scope3's response.

use jiff::{Timestamp, tz::Offset};
use scope3_mcp_catalog::{Effect, Entry, Presentation, Unchanged};
use scope3_mcp_client::{
    ApiResponse,
    credentials::{Fingerprint, KeyAge, KeyRing},
};
use serde_json::{Map, Value};

use crate::{Backend, CallError, Gateway, Success, failure::Failure, whoami};

/// What the arguments of a call say about its result.
pub(super) struct Expected<'a> {
    /// The amount of money involved, in words.
    pub(super) amount: Option<String>,
    /// How the response says that nothing changed.
    pub(super) unchanged: Option<&'a Unchanged>,
    /// The key that Scope3 accepted.
    pub(super) key: Option<Fingerprint>,
}

impl Gateway {
    /// Turns Scope3's response into the caller's result.
    pub(super) fn present(
        &self,
        entry: &Entry,
        keys: &KeyRing,
        answer: ApiResponse,
        expected: Expected<'_>,
    ) -> Result<Success, CallError> {
        let Expected { amount, unchanged, key } = expected;
        let ApiResponse { mut data, mut partial, replaced, neutralized, sandbox, accepted, memory, .. } =
            answer;
        if partial.is_none() && !entry.tool.partial.is_empty() {
            let failures = entry.tool.failures_in(&data);
            partial = failures.first().map(|failure| format!("{failure} in its response"));
        }
        entry.tool.drop_from(&mut data);
        if let Some(partial) = &partial
            && entry.tool.effect != Effect::Read
        {
            return Err(Failure::partial(entry, partial, data).into());
        }
        let mut notes = Map::new();
        let mut note = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                notes.insert(name.to_owned(), value);
            }
        };
        note("sandbox", sandbox.then_some(true.into()));
        note("environment", (self.target == Backend::Staging).then_some("staging".into()));
        note("amount", amount.map(Value::from));
        if unchanged.is_some_and(|unchanged| unchanged.is_said_by(&data)) {
            note("changed", Some("no".into()));
            note("message", Some("Nothing was changed.".into()));
        }
        if accepted {
            note("accepted", Some(true.into()));
            let look = entry.tool.settled_by.as_deref();
            let look = look.map_or_else(String::new, |read| format!(" {read} shows how far it is."));
            note("message", Some(format!("Scope3 has accepted the work and goes on with it.{look}").into()));
        }
        note("partial", partial.map(Value::from));
        let lists: Vec<&Vec<Value>> = data.values().filter_map(Value::as_array).collect();
        if !lists.is_empty() && lists.iter().all(|list| list.is_empty()) {
            note("message", entry.tool.empty.as_deref().map(Value::from));
        }
        note("replaced", replaced.map(Value::from));
        note("neutralized", (neutralized > 0).then(|| neutralized.into()));
        if entry.tool.presents == Some(Presentation::Whoami) {
            note("backupKey", key.and_then(|key| keys.backup_position(key)).map(Value::from));
        }
        let mut sentence = None;
        match entry.tool.presents {
            Some(Presentation::Whoami) => {
                let mut text = whoami::sentence(&data, sandbox);
                if self.target == Backend::Staging {
                    text.push_str(". This is Scope3's staging environment, not production");
                }
                if let Some(notice) =
                    keys.age(Offset::UTC.to_datetime(Timestamp::now()).date()).and_then(KeyAge::notice)
                {
                    text = format!("{text}\n{notice}");
                }
                data.insert("message".to_owned(), text.clone().into());
                sentence = Some(text);
            }
            None => {}
        }
        Ok(Success { data, sentence, notes, memory })
    }
}
