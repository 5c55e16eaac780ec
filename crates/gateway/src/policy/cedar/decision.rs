//! What the rules say about one call.

use std::{collections::HashSet, sync::Arc};

use cedar_policy::{
    AuthorizationError, Context, Entities, Entity, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression,
};
use jiff::{Timestamp, tz::Offset};
use scope3_mcp_catalog::{Effect, Entry, hundredths};
use scope3_mcp_client::credentials::Fingerprint;
use serde_json::{Map, Value};

use super::{
    super::owner::Owner,
    OfTool, Rules, context,
    rule::{Kind, Rule},
    schema::Action,
};

/// What is known of a call besides its tool.
#[derive(Debug, Clone, Copy)]
pub struct CallFacts<'a> {
    /// The key that the call will be made with. `None` if a local tool is called without one.
    pub key: Option<Fingerprint>,
    /// The name that the client gives itself.
    pub client: Option<&'a str>,
    /// The validated arguments.
    pub arguments: &'a Map<String, Value>,
    /// The brand agent to which what the arguments name belongs, if it was looked up. See [`Owner`](crate::policy::Owner).
    pub brand_agent: Option<&'a str>,
    /// The time of the call.
    pub now: Timestamp,
    /// What was spent with this key today, in hundredths of the currency unit.
    pub spent_today: i64,
}

/// What the rules say about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Allowed {
        /// The `permit` that matches. `None` without a policy.
        rule: Option<Arc<Rule>>,
    },
    /// A person has to consent to it.
    Ask {
        /// Why.
        reason: String,
        /// The rule that asks.
        rule: Arc<Rule>,
    },
    /// It must not run.
    Denied {
        /// Why.
        reason: String,
        /// The `forbid` that matches. `None` if no `permit` does.
        rule: Option<Arc<Rule>>,
    },
}

impl Decision {
    fn strictness(&self) -> u8 {
        match self {
            Self::Allowed { .. } => 0,
            Self::Ask { .. } => 1,
            Self::Denied { .. } => 2,
        }
    }
}

/// A decision, and the shadow rules that match the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The rules that would have rejected the call, if they were not shadow rules.
    pub shadows: Vec<Arc<Rule>>,
}

impl Rules {
    /// Decides about a call. `entry` is that of the tool, with the effect of the tool.
    ///
    /// A call can spend and delete at once. It may run if the rules allow both.
    #[must_use]
    pub fn decide(&self, entry: &Entry, facts: &CallFacts<'_>) -> Verdict {
        let mut strictest = Verdict { decision: no_permit(), shadows: Vec::new() };
        let Some(tool) = self.tools.get(&*entry.tool.name) else { return strictest };
        for (position, effect) in entry.tool.effects_of(facts.arguments).into_iter().enumerate() {
            let Verdict { decision, shadows } = self.decide_about(entry, tool, effect, facts);
            if position == 0 || decision.strictness() > strictest.decision.strictness() {
                strictest.decision = decision;
            }
            for shadow in shadows {
                if !strictest.shadows.contains(&shadow) {
                    strictest.shadows.push(shadow);
                }
            }
        }
        strictest
    }

    /// Decides about one effect of a call.
    fn decide_about(&self, entry: &Entry, tool: &OfTool, effect: Effect, facts: &CallFacts<'_>) -> Verdict {
        let denied = |reason: &str| {
            let decision = Decision::Denied { reason: reason.to_owned(), rule: None };
            Verdict { decision, shadows: Vec::new() }
        };
        let owner = match (facts.brand_agent, Owner::of(facts.arguments)) {
            (Some(known), _) => Some(known.to_owned()),
            (None, Owner::None) => None,
            (None, Owner::Named(id)) => Some(id),
            // No rule reads it.
            (None, _) if !tool.needs_resource => Some(String::new()),
            (None, _) => return denied(UNKNOWN_OWNER),
        };
        let action = (&tool.action, effect);
        let Some((request, entities)) = self.request(entry, action, owner.as_deref(), facts) else {
            return denied("the operator's policy cannot be applied to these arguments");
        };
        let matching = |set: &PolicySet| {
            let response = self.authorizer.is_authorized(&request, set, &entities);
            let failed = response.diagnostics().errors().map(|error| match error {
                AuthorizationError::PolicyEvaluationError(error) => error.policy_id().clone(),
            });
            let failed: HashSet<PolicyId> = failed.collect();
            let matched: HashSet<PolicyId> = response.diagnostics().reason().cloned().collect();
            let mut found: Vec<(Kind, Arc<Rule>)> = Vec::new();
            for id in matched.union(&failed) {
                let Some((kind, rule)) = self.by_id.get(id) else { continue };
                // A `permit` that cannot be evaluated does not permit. A `forbid` that cannot be evaluated forbids.
                if *kind != Kind::Permit || !failed.contains(id) {
                    found.push((*kind, Arc::clone(rule)));
                }
            }
            found.sort_by_key(|(_, rule)| (rule.line, rule.column));
            found
        };
        let enforced = matching(&self.enforced);
        let others = if self.others.is_empty() { Vec::new() } else { matching(&self.others) };
        let first = |found: &[(Kind, Arc<Rule>)], wanted: Kind| {
            found.iter().find(|(kind, _)| *kind == wanted).map(|(_, rule)| Arc::clone(rule))
        };
        let decision = match (first(&enforced, Kind::Forbid), first(&enforced, Kind::Permit)) {
            (Some(rule), _) => Decision::Denied { reason: why(Some(&rule)), rule: Some(rule) },
            (None, None) => no_permit(),
            (None, Some(permit)) => match first(&others, Kind::Ask) {
                Some(rule) => Decision::Ask { reason: rule.reason.clone().unwrap_or_default(), rule },
                None => Decision::Allowed { rule: Some(permit) },
            },
        };
        let shadows = others.into_iter().filter(|(kind, _)| *kind == Kind::Shadow).map(|(_, rule)| rule);
        Verdict { decision, shadows: shadows.collect() }
    }

    /// A call in Cedar's words. `None` if it does not fit the schema.
    fn request(
        &self,
        entry: &Entry,
        (action, effect): (&Action, Effect),
        brand_agent: Option<&str>,
        facts: &CallFacts<'_>,
    ) -> Option<(Request, Entities)> {
        let key = facts.key.map_or_else(|| "none".to_owned(), |key| key.to_string());
        let (principal, mut entities) = self.types.principal(&key, facts.client);
        let resource = self.types.resource(brand_agent);
        entities.extend(action.entities(effect));
        if resource != principal {
            entities.push(Entity::new_no_attrs(resource.clone(), HashSet::new()));
        }
        let hour = i64::from(Offset::UTC.to_datetime(facts.now).hour());
        let mut pairs = vec![
            ("arguments".to_owned(), context::record(&action.arguments, facts.arguments)?),
            ("hour".to_owned(), RestrictedExpression::new_long(hour)),
            ("spentToday".to_owned(), RestrictedExpression::new_long(facts.spent_today)),
        ];
        if let Some((amount, currency)) = hundredths(&entry.tool, facts.arguments) {
            pairs.push(("amount".to_owned(), RestrictedExpression::new_long(amount)));
            pairs.extend(
                currency.map(|currency| ("currency".to_owned(), RestrictedExpression::new_string(currency))),
            );
        }
        let context = Context::from_pairs(pairs).ok()?;
        let uid: EntityUid = action.uid.clone();
        let request = Request::new(principal, uid, resource, context, Some(&self.schema)).ok()?;
        Some((request, Entities::from_entities(entities, None).ok()?))
    }
}

/// Why a call is rejected whose brand agent is not known.
pub(crate) const UNKNOWN_OWNER: &str =
    "the operator's policy depends on the brand agent to which it belongs, and that is not known";

fn no_permit() -> Decision {
    Decision::Denied { reason: why(None), rule: None }
}

/// Why a call is rejected: by this rule, or because no `permit` matches.
pub(in crate::policy) fn why(rule: Option<&Rule>) -> String {
    match rule {
        Some(Rule { reason: Some(reason), .. }) => format!("the operator's policy forbids it: {reason}"),
        Some(rule) => format!("the rule `{rule}` of the operator's policy forbids it"),
        None => "no `permit` rule of the operator's policy allows it".to_owned(),
    }
}
