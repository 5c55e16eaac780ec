//! Permits and cooldowns in Redis.

use std::time::Duration;

use scope3_mcp_client::{Class, credentials::Fingerprint};
use serde_json::{Value, json};

use super::{RedisState, script};
use crate::state::{Exhausted, Request, StateError, Used, Window, clock::micros};

impl RedisState {
    pub(super) async fn acquire_permits(
        &self,
        request: Request,
    ) -> Result<Result<(), Exhausted>, StateError> {
        let Request { key, windows, taken, sends } = request;
        let link = self.link();
        let now = link.uptime();
        let add = |key, window, at| link.recent.add(key, window, at);
        let taken: Vec<_> = taken
            .into_iter()
            .map(|taken| (add(taken.key, taken.window, now.saturating_sub(taken.ago)), taken))
            .collect();
        // Noted before they are taken: if the response is lost, they may count.
        let ids: Vec<String> = windows.iter().map(|&window| add(key, window, now)).collect();
        let outcome = link.run(&script::ACQUIRE, |installation| {
            let taken = taken.iter().map(|(id, taken)| {
                let who = installation.key(taken.key);
                with(window(taken.window), json!({ "id": id, "key": who, "ago": micros(taken.ago) }))
            });
            let wanted = windows.iter().zip(&ids).map(|(wanted, id)| {
                with(window(*wanted), json!({ "id": id, "count": wanted.limit.count.get() }))
            });
            json!({
                "key": installation.key(key),
                "taken": taken.collect::<Vec<_>>(),
                "windows": wanted.collect::<Vec<_>>(),
                "sends": sends.map(|id| id.to_string()),
            })
        });
        let (_, (status, position, next_in, by_scope3)): (_, (String, usize, i64, bool)) = outcome.await?;
        if status == "taken" {
            return Ok(Ok(()));
        }
        link.recent.remove(&ids);
        match (sends, position.checked_sub(1).and_then(|position| windows.get(position))) {
            (_, Some(&window)) => Ok(Err(Exhausted { window, next_in: duration(next_in), by_scope3 })),
            (Some(id), None) => Err(StateError::EntryGone(id)),
            (None, None) => Err(StateError::Contended(link.location())),
        }
    }

    pub(super) async fn used_permits(
        &self,
        key: Fingerprint,
        windows: Vec<Window>,
    ) -> Result<Vec<Used>, StateError> {
        let outcome = self.link().run(&script::USED, |installation| {
            let windows: Vec<_> = windows.iter().copied().map(window).collect();
            json!({ "key": installation.key(key), "windows": windows })
        });
        let (_, used): (_, Vec<(u32, i64, i64)>) = outcome.await?;
        let some = |micros: i64| Some(micros).filter(|micros| *micros >= 0).map(duration);
        let used = used.into_iter().map(|(permits, next_in, cooldown)| Used {
            permits,
            next_in: some(next_in),
            cooldown: some(cooldown),
        });
        Ok(used.collect())
    }

    pub(super) async fn start_cooldown(
        &self,
        key: Fingerprint,
        class: Class,
        wait: Duration,
    ) -> Result<(), StateError> {
        let outcome = self.link().run(&script::COOL_DOWN, |installation| {
            json!({ "key": installation.key(key), "class": class.as_str(), "wait": micros(wait) })
        });
        outcome.await.map(|(_, ())| ())
    }
}

fn window(window: Window) -> Value {
    json!({ "class": window.class.as_str(), "span": micros(window.limit.per.duration()) })
}

/// An object with the members of another.
fn with(mut object: Value, members: Value) -> Value {
    if let (Value::Object(object), Value::Object(members)) = (&mut object, members) {
        object.extend(members);
    }
    object
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(micros.max(0).unsigned_abs())
}
