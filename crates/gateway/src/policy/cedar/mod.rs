//! The operator's rules in [Cedar](https://www.cedarpolicy.com): loaded, checked against the catalog, and applied to calls.
//!
//! They have Cedar's meaning: a call runs if a `permit` matches it and no `forbid` does. Two annotations soften a `forbid`:
//! `@ask` requires consent, and `@shadow` is only logged. A `forbid` that cannot be evaluated counts as matching.

mod context;
mod problem;
mod rule;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map},
    sync::Arc,
};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet,
    Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use jiff::{Timestamp, tz::Offset};
use scope3_mcp_catalog::{Catalog, Entry, hundredths};
use scope3_mcp_client::credentials::Fingerprint;
use serde_json::{Map, Value};

pub use self::{problem::Problem, rule::Rule, schema::SchemaFault};
use self::{
    rule::Kind,
    schema::{Action, Generated, Types},
};
use super::owner::Owner;

/// Why a text is not a policy.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The rules have problems.
    #[error("{} in the rules", match .0.len() { 1 => "a problem".to_owned(), many => format!("{many} problems") })]
    Invalid(Vec<Problem>),
    /// This program has a fault.
    #[error(transparent)]
    Schema(#[from] SchemaFault),
}

/// What is known of a call besides its tool.
#[derive(Debug, Clone, Copy)]
pub struct CallFacts<'a> {
    /// The key that the call will be made with. `None` if a local tool is called without one.
    pub key: Option<Fingerprint>,
    /// The name that the client gives itself.
    pub client: Option<&'a str>,
    /// The validated arguments.
    pub arguments: &'a Map<String, Value>,
    /// The brand agent to which what the arguments name belongs, if it was looked up. See [`Owner`](super::Owner).
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

/// A decision, and the shadow rules that match the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The rules that would have rejected the call, if they were not shadow rules.
    pub shadows: Vec<Arc<Rule>>,
}

/// The rules of a policy file, checked against the catalog.
#[derive(Debug)]
pub struct Rules {
    schema: Schema,
    types: Types,
    authorizer: Authorizer,
    /// The `permit` rules, and the `forbid` rules that reject.
    enforced: PolicySet,
    /// The rules that ask or are only logged.
    others: PolicySet,
    tools: HashMap<String, OfTool>,
    /// The brand agents that rules name.
    brand_agents: BTreeSet<String>,
    by_id: HashMap<PolicyId, (Kind, Arc<Rule>)>,
}

/// What the rules say about one tool, whatever its arguments.
#[derive(Debug)]
struct OfTool {
    action: Action,
    /// Why every call of the tool is rejected, if it is.
    withheld: Option<Withheld>,
    /// Whether a rule for the tool depends on the resource.
    needs_resource: bool,
}

/// Why every call of a tool is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Withheld(pub(super) Option<Arc<Rule>>);

impl Rules {
    /// Reads rules and checks them against a catalog.
    ///
    /// # Errors
    /// If they have problems: all of them, with their places.
    pub fn parse(text: &str, catalog: &Catalog) -> Result<Self, RulesError> {
        let set: PolicySet =
            text.parse().map_err(|errors| RulesError::Invalid(problem::of_parsing(text, &errors)))?;
        let mut problems: Vec<Problem> = set
            .templates()
            .map(|template| {
                let start = template.as_ref().loc().map_or(0, |place| place.span.offset());
                Problem::at(
                    text,
                    start,
                    "a rule with `?principal` or `?resource` is a template; name what you mean",
                )
            })
            .collect();
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by_key(|policy| rule::offset(policy));
        let by_id = read_all(text, &policies, &mut problems);
        let Generated { schema, types, actions } = schema::generate(catalog)?;
        let validator = Validator::new(schema.clone());
        let names: Vec<String> = schema.actions().map(|action| action.id().unescaped().to_owned()).collect();
        let result = validator.validate(&set, ValidationMode::Strict);
        problems.extend(problem::of_validation(text, &result, names.iter().map(String::as_str)));
        if !problems.is_empty() {
            return Err(RulesError::Invalid(problem::sorted(problems.into_iter())));
        }
        let tools = actions
            .into_iter()
            .map(|(name, action)| (name, OfTool::new(action, &policies, &by_id)))
            .collect();
        let brand_agents = policies.iter().flat_map(|policy| types.brand_agents(policy)).collect();
        let (mut enforced, mut others) = (PolicySet::new(), PolicySet::new());
        for policy in policies {
            let set = match by_id.get(policy.id()) {
                Some((Kind::Ask | Kind::Shadow, _)) => &mut others,
                _ => &mut enforced,
            };
            // The ids are unique, because Cedar numbered the rules.
            let _added = set.add(policy.clone());
        }
        let authorizer = Authorizer::new();
        Ok(Self { schema, types, authorizer, enforced, others, tools, brand_agents, by_id })
    }

    /// Whether a rule for this tool depends on the brand agent to which a call belongs.
    pub(crate) fn needs_resource(&self, entry: &Entry) -> bool {
        self.tools.get(&*entry.tool.name).is_some_and(|tool| tool.needs_resource)
    }

    /// The brand agents that rules name.
    pub(crate) fn brand_agents(&self) -> impl Iterator<Item = &str> {
        self.brand_agents.iter().map(String::as_str)
    }

    /// The number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no rule. A policy file has at least one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether any call of this tool can be allowed.
    ///
    /// # Errors
    /// Why every call is rejected.
    pub(super) fn check(&self, entry: &Entry) -> Result<(), Withheld> {
        match self.tools.get(&*entry.tool.name) {
            Some(OfTool { withheld: None, .. }) => Ok(()),
            Some(OfTool { withheld: Some(why), .. }) => Err(why.clone()),
            None => Err(Withheld(None)),
        }
    }

    /// Decides about a call.
    #[must_use]
    pub fn decide(&self, entry: &Entry, facts: &CallFacts<'_>) -> Verdict {
        let Some(tool) = self.tools.get(&*entry.tool.name) else {
            return Verdict { decision: no_permit(), shadows: Vec::new() };
        };
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
        let Some((request, entities)) = self.request(entry, &tool.action, owner.as_deref(), facts) else {
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
        action: &Action,
        brand_agent: Option<&str>,
        facts: &CallFacts<'_>,
    ) -> Option<(Request, Entities)> {
        let key = facts.key.map_or_else(|| "none".to_owned(), |key| key.to_string());
        let (principal, mut entities) = self.types.principal(&key, facts.client);
        let resource = self.types.resource(brand_agent);
        entities.extend(action.entities.iter().cloned());
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
pub(super) fn why(rule: Option<&Rule>) -> String {
    match rule {
        Some(Rule { reason: Some(reason), .. }) => format!("the operator's policy forbids it: {reason}"),
        Some(rule) => format!("the rule `{rule}` of the operator's policy forbids it"),
        None => "no `permit` rule of the operator's policy allows it".to_owned(),
    }
}

impl OfTool {
    fn new(action: Action, policies: &[&Policy], by_id: &HashMap<PolicyId, (Kind, Arc<Rule>)>) -> Self {
        let mut withheld = Some(Withheld(None));
        let (mut forbidden, mut needs_resource) = (None, false);
        for policy in policies.iter().filter(|policy| rule::covers(policy, &action)) {
            needs_resource |= rule::depends_on_resource(policy);
            match by_id.get(policy.id()) {
                Some((Kind::Permit, _)) => withheld = None,
                Some((Kind::Forbid, rule)) if rule::is_unconditional(policy) && forbidden.is_none() => {
                    forbidden = Some(Withheld(Some(Arc::clone(rule))));
                }
                _ => {}
            }
        }
        Self { action, withheld: forbidden.or(withheld), needs_resource }
    }
}

/// Reads all rules, and reports what is wrong with their annotations and with the file as a whole.
fn read_all(
    text: &str,
    policies: &[&Policy],
    problems: &mut Vec<Problem>,
) -> HashMap<PolicyId, (Kind, Arc<Rule>)> {
    let mut by_id = HashMap::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut bodies: BTreeMap<String, usize> = BTreeMap::new();
    let mut permits = 0;
    for policy in policies {
        let place = rule::offset(policy);
        let (kind, rule) = match rule::read(text, policy) {
            Ok(read) => read,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        permits += usize::from(kind == Kind::Permit);
        let mut twice = |seen: &mut BTreeMap<String, usize>, key: String, what: &str| match seen.entry(key) {
            btree_map::Entry::Vacant(free) => {
                free.insert(rule.line);
            }
            btree_map::Entry::Occupied(first) => {
                problems.push(Problem::at(text, place, format!("{what} in line {}", first.get())));
            }
        };
        // Two rules on one line are both named after it.
        if policy.annotation("id").or_else(|| policy.annotation("shadow")).is_some() {
            let what = format!("the name {} is already used", problem::named(&rule.name));
            twice(&mut names, rule.name.clone(), &what);
        }
        let condition = policy.as_ref().condition().to_string();
        twice(&mut bodies, format!("{kind:?} {condition}"), "the same rule is already");
        by_id.insert(policy.id().clone(), (kind, Arc::new(rule)));
    }
    if policies.is_empty() && problems.is_empty() {
        problems.push(Problem::at(
            text,
            0,
            "the file has no rule; `scope3-mcp policy example` prints an example",
        ));
    } else if permits == 0 && problems.is_empty() {
        let message = "no rule permits anything, so every call would be rejected; to allow what no `forbid` matches, add \
                       `permit(principal, action, resource);`";
        problems.push(Problem::at(text, 0, message));
    }
    by_id
}
