//! Permits and cooldowns in Redis.

use std::time::Duration;

use scope3_mcp_client::{Class, credentials::Fingerprint};
use serde_json::{Value, json};

use super::{RedisState, script, without_null};
use crate::state::{Exhausted, Request, StateError, Used, Window, clock::micros};

impl RedisState {
    pub(super) async fn acquire_permits(
        &self,
        request: Request,
    ) -> Result<Result<(), Exhausted>, StateError> {
        let Request { key, windows, taken, sends } = request;
        let link = self.link();
        let now = link.uptime();
        let late: Vec<_> = taken
            .iter()
            .map(|taken| link.recent.permit(taken.key, taken.window, now.saturating_sub(taken.ago)))
            .collect();
        let wanted: Vec<_> = windows.iter().map(|&window| link.recent.permit(key, window, now)).collect();
        let outcome = link.run(&script::ACQUIRE, |installation| {
            let taken = taken.iter().zip(&late).map(|(taken, permit)| {
                let who = installation.key(taken.key);
                with(window(taken.window), json!({ "id": permit.id, "key": who, "ago": micros(taken.ago) }))
            });
            let windows = windows.iter().zip(&wanted).map(|(wanted, permit)| {
                with(window(*wanted), json!({ "id": permit.id, "count": wanted.limit.count.get() }))
            });
            without_null(json!({
                "key": installation.key(key),
                "taken": taken.collect::<Vec<_>>(),
                "windows": windows.collect::<Vec<_>>(),
                "sends": sends.map(|id| id.to_string()),
            }))
        });
        let (_, (status, position, next_in, by_scope3)): (_, (String, usize, i64, bool)) = outcome.await?;
        if let ("gone", Some(id)) = (&*status, sends) {
            return Err(StateError::EntryGone(id));
        }
        link.recent.keep(late, now);
        if let Some(&window) = position.checked_sub(1).and_then(|position| windows.get(position)) {
            return Ok(Err(Exhausted { window, next_in: duration(next_in), by_scope3 }));
        }
        link.recent.keep(wanted, now);
        Ok(Ok(()))
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
