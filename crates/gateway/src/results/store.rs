//! Keeps long results for a short time, so that their callers can read the rest.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scope3_mcp_client::credentials::Fingerprint;

/// How long a result is kept.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// The maximum size of a result that is kept, in bytes of JSON. Parsed, it takes several times as much.
const MAX_RESULT_BYTES: usize = 4 << 20;

/// The maximum size of all results, and how many one key has.
const MAX_TOTAL_BYTES: usize = 48 << 20;
const MAX_RESULTS_PER_KEY: usize = 16;

/// The results of all callers, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Results(Mutex<VecDeque<Kept>>);

/// A result that is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// The tool whose result it is.
    pub tool: String,
    /// The result as JSON.
    pub json: Arc<str>,
    owner: Fingerprint,
    until: Instant,
}

impl Results {
    /// Keeps a result for the owner of a key. Returns its id, or `None` if it is too large or no id can be made.
    pub(crate) fn keep(&self, owner: Fingerprint, tool: &str, json: String) -> Option<String> {
        if json.len() > MAX_RESULT_BYTES {
            return None;
        }
        let id = random_id()?;
        let until = Instant::now() + LIFETIME;
        let kept = Kept { id: id.clone(), tool: tool.to_owned(), json: json.into(), owner, until };
        let mut all = self.lock();
        while all.iter().filter(|kept| kept.owner == owner).count() >= MAX_RESULTS_PER_KEY {
            let oldest = all.iter().position(|kept| kept.owner == owner);
            oldest.and_then(|oldest| all.remove(oldest));
        }
        let room = MAX_TOTAL_BYTES - kept.json.len();
        while all.iter().map(|kept| kept.json.len()).sum::<usize>() > room {
            all.pop_front();
        }
        all.push_back(kept);
        Some(id)
    }

    /// The result with this id, if it belongs to one of these keys.
    pub(crate) fn get(&self, owners: &[Fingerprint], id: &str) -> Option<Kept> {
        self.lock().iter().find(|kept| kept.id == id && owners.contains(&kept.owner)).cloned()
    }

    /// The results of these keys, newest first.
    pub(crate) fn of(&self, owners: &[Fingerprint]) -> Vec<Kept> {
        self.lock().iter().rev().filter(|kept| owners.contains(&kept.owner)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while all.front().is_some_and(|kept| kept.until <= now) {
            all.pop_front();
        }
        all
    }
}

/// 64 random bits. Only the owner can use them, so they need not be a secret.
fn random_id() -> Option<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:016x}", u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use scope3_mcp_client::credentials::ApiKey;

    use super::*;

    fn owner(name: &str) -> Fingerprint {
        ApiKey::parse(&format!("scope3_{}_{name}", "a".repeat(32)).into()).unwrap().fingerprint()
    }

    #[test]
    fn a_result_belongs_to_its_key() {
        let results = Results::default();
        let id = results.keep(owner("a"), "campaign_list", "{}".to_owned()).unwrap();
        assert_eq!(&*results.get(&[owner("b"), owner("a")], &id).unwrap().json, "{}");
        assert!(results.get(&[owner("b")], &id).is_none());
        assert!(results.get(&[owner("a")], "other").is_none());
        assert_eq!((results.of(&[owner("a")]).len(), results.of(&[owner("b")]).len()), (1, 0));
    }

    #[test]
    fn results_take_bounded_memory() {
        let results = Results::default();
        assert!(results.keep(owner("a"), "t", "x".repeat(MAX_RESULT_BYTES + 1)).is_none());
        let first = results.keep(owner("a"), "t", "1".to_owned()).unwrap();
        for _ in 0..MAX_RESULTS_PER_KEY {
            results.keep(owner("a"), "t", "x".repeat(1000)).unwrap();
        }
        assert!(results.get(&[owner("a")], &first).is_none(), "the oldest of the key makes room");
        for number in 0..100 {
            results.keep(owner(&format!("k{number}")), "t", "x".repeat(MAX_RESULT_BYTES)).unwrap();
        }
        let total: usize = results.lock().iter().map(|kept| kept.json.len()).sum();
        assert!(total <= MAX_TOTAL_BYTES, "{total}");
    }
}
