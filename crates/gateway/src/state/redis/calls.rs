//! The number of calls by hour, in Redis.

use std::collections::BTreeMap;

use jiff::Timestamp;
use scope3_mcp_client::credentials::Fingerprint;
use serde_json::json;

use super::{RedisState, entry::time, script};
use crate::state::{CallCount, StateError};

/// An hour, a field and the number of calls, as counts.lua returns them.
type Row = (i64, String, u64);

impl RedisState {
    pub(super) async fn count_calls(
        &self,
        calls: &[(Option<Fingerprint>, CallCount)],
    ) -> Result<(), StateError> {
        let outcome = self.link().run(&script::COUNT, |installation| {
            let calls = calls.iter().map(|(key, calls)| {
                let key = key.map(|key| installation.key(key)).unwrap_or_default();
                json!({
                    "hour": calls.hour.as_microsecond().to_string(),
                    "field": json!([key, calls.tool, calls.outcome]).to_string(),
                    "number": calls.calls,
                })
            });
            json!({ "calls": calls.collect::<Vec<_>>() })
        });
        outcome.await.map(|(_, ())| ())
    }

    pub(super) async fn counted_calls(
        &self,
        since: Timestamp,
        key: Option<Fingerprint>,
    ) -> Result<Vec<CallCount>, StateError> {
        let since = since.as_microsecond().to_string();
        let outcome = self.link().run(&script::COUNTS, |installation| {
            let key = key.map(|key| installation.key(key)).unwrap_or_default();
            json!({ "since": since, "key": key })
        });
        let (_, (key, counts)): (_, (String, Vec<Row>)) = outcome.await?;
        let mut sums: BTreeMap<(i64, String, String), u64> = BTreeMap::new();
        for (hour, field, calls) in counts {
            // Other fields were not written by this program.
            let Ok([of, tool, outcome]) = serde_json::from_str::<[String; 3]>(&field) else { continue };
            if key.is_empty() || key == of {
                *sums.entry((hour, tool, outcome)).or_default() += calls;
            }
        }
        let counts = sums.into_iter().map(|((hour, tool, outcome), calls)| CallCount {
            hour: time(hour),
            tool,
            outcome,
            calls,
        });
        Ok(counts.collect())
    }
}
