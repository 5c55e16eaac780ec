//! The number of calls by hour, in Redis.

use jiff::Timestamp;
use serde_json::json;

use super::{RedisState, script};
use crate::state::{CallCount, StateError};

impl RedisState {
    pub(super) async fn count_calls(&self, calls: &CallCount) -> Result<(), StateError> {
        let outcome = self.link().run(&script::COUNT, |_| {
            json!({
                "hour": calls.hour.as_microsecond().to_string(),
                "field": json!([null, calls.tool, calls.outcome]).to_string(),
                "calls": calls.calls,
            })
        });
        outcome.await.map(|(_, ())| ())
    }

    pub(super) async fn counted_calls(&self, since: Timestamp) -> Result<Vec<CallCount>, StateError> {
        let since = since.as_microsecond().to_string();
        let outcome = self.link().run(&script::COUNTS, |_| json!({ "since": since }));
        let (_, counts): (_, Vec<(i64, String, u64)>) = outcome.await?;
        let counts = counts.into_iter().filter_map(|(hour, field, calls)| {
            let (_, tool, outcome): (Option<String>, String, String) = serde_json::from_str(&field).ok()?;
            Some(CallCount { hour: Timestamp::from_microsecond(hour).ok()?, tool, outcome, calls })
        });
        let mut counts: Vec<CallCount> = counts.collect();
        counts.sort_by(|one, other| {
            (one.hour, &one.tool, &one.outcome).cmp(&(other.hour, &other.tool, &other.outcome))
        });
        Ok(counts)
    }
}
