//! What a request is offered, and whether a call with these arguments may run.

use jiff::Timestamp;
use scope3_mcp_catalog::{Catalog, Entry, EntryRef, Surface, hundredths};
use scope3_mcp_client::credentials::KeyError;
use serde_json::{Map, Value};

use crate::{
    CallError, Gateway, KeyOwner,
    budget::start_of_day,
    caller::Call,
    failure::Failure,
    journal::Spender,
    ownership::Search,
    policy::{CallFacts, Decision, Narrowing, Policy, Verdict},
    record::CallRecord,
};

impl Gateway {
    /// Which tools may run.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The tools that a request is offered, with the default set first because some clients read only the start of the
    /// list. `is_found` adds tools that the policy lists only once the client found them.
    #[must_use]
    pub fn offered(&self, narrowing: Option<&Narrowing>, is_found: impl Fn(&str) -> bool) -> Vec<EntryRef> {
        let catalog = self.catalog();
        let is_listed = |entry: &Entry| self.policy.lists(entry) || is_found(&entry.tool.name);
        let offered = catalog.shared_entries().iter();
        let offered = offered.filter(|entry| is_listed(entry) && self.policy.check(entry, narrowing).is_ok());
        let (default, more): (Vec<_>, Vec<_>) = offered.cloned().partition(|entry| entry.tool.default);
        default.into_iter().chain(more).collect()
    }

    /// The tool with this name, if it is offered.
    #[must_use]
    pub fn find_offered(&self, name: &str) -> Option<EntryRef> {
        self.catalog().get(name).filter(|entry| self.policy.check(entry, None).is_ok()).cloned()
    }

    /// Applies the operator's rules to a call. Returns why a person has to consent to it, if one has to.
    pub(super) async fn apply_rules(
        &self,
        catalog: &Catalog,
        entry: &Entry,
        call: &Call,
        arguments: &Map<String, Value>,
        record: &mut CallRecord,
    ) -> Result<Option<String>, CallError> {
        let Some(rules) = self.policy.rules() else { return Ok(None) };
        let key = call.caller.keys.untried(&[]).await.and_then(|key| key.ok_or(KeyError::Missing));
        let key = match key {
            Ok(key) => Some(key.fingerprint()),
            // A local tool needs no key.
            Err(_) if entry.surface == Surface::Local => None,
            Err(error) => return Err(Failure::key(error).into()),
        };
        let client = call.caller.client.as_deref().map(without_version);
        let spent_today = match (key, hundredths(&entry.tool, arguments)) {
            (Some(key), Some((_, Some(currency)))) => {
                let spender = match call.caller.key_owner {
                    KeyOwner::Server => Spender::Operator,
                    KeyOwner::Caller => Spender::Caller(key),
                };
                let committed = self.state.committed(spender, start_of_day(), currency).await;
                self.limits.observe(committed).map_err(Failure::state)?
            }
            _ => 0,
        };
        let brand_agent = match key.filter(|_| rules.needs_resource(entry)) {
            Some(key) => {
                let search = Search { catalog, rules: &rules, call, key };
                // On the heap: most calls need no look-up.
                let found = Box::pin(self.brand_agent(&search, arguments, record)).await;
                found.map_err(|unknown| unknown.failure(entry, call))?
            }
            None => None,
        };
        let brand_agent = brand_agent.as_deref();
        let facts = CallFacts { key, client, arguments, brand_agent, now: Timestamp::now(), spent_today };
        // That of the tool: the rules look at every effect that the arguments bring.
        let of_tool = catalog.get(&entry.tool.name).map_or(entry, |found| found);
        let Verdict { decision, shadows } = rules.decide(of_tool, &facts);
        if !shadows.is_empty() {
            let names: Vec<&str> = shadows.iter().map(|rule| rule.name.as_str()).collect();
            tracing::info!(
                event = "policy_shadow",
                rules = names.join(", "),
                "without @shadow, the policy would have rejected this call"
            );
        }
        match decision {
            Decision::Allowed { .. } => Ok(None),
            Decision::Ask { reason, .. } => Ok(Some(reason)),
            Decision::Denied { reason, rule } => {
                Err(Failure::forbidden(entry, &reason, rule.as_deref()).into())
            }
        }
    }
}

/// The name of a client without its version, such as `claude-code` of `claude-code 2.1.331`.
fn without_version(client: &str) -> &str {
    client.rsplit_once(' ').map_or(client, |(name, _)| name)
}
