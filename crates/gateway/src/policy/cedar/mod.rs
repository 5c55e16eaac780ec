//! The operator's rules in [Cedar](https://www.cedarpolicy.com): loaded, checked against the catalog, and applied to calls.
//!
//! They have Cedar's meaning: a call runs if a `permit` matches it and no `forbid` does. Two annotations soften a `forbid`:
//! `@ask` requires consent, and `@shadow` is only logged. A `forbid` that cannot be evaluated counts as matching.

mod context;
mod decision;
mod problem;
mod rule;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map},
    sync::Arc,
};

use cedar_policy::{Authorizer, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use scope3_mcp_catalog::{Catalog, Entry};

pub(crate) use self::decision::UNKNOWN_OWNER;
pub(super) use self::decision::why;
pub use self::{
    decision::{CallFacts, Decision, Verdict},
    problem::Problem,
    rule::Rule,
    schema::SchemaFault,
};
use self::{
    rule::Kind,
    schema::{Action, Generated, Types},
};

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
}

impl OfTool {
    fn new(action: Action, policies: &[&Policy], by_id: &HashMap<PolicyId, (Kind, Arc<Rule>)>) -> Self {
        let mut withheld = Some(Withheld(None));
        let (mut forbidden, mut needs_resource) = (None, false);
        for policy in policies.iter().filter(|policy| rule::covers(policy, &action)) {
            needs_resource |= rule::depends_on_resource(policy);
            match by_id.get(policy.id()) {
                Some((Kind::Permit, _)) => withheld = None,
                Some((Kind::Forbid, rule))
                    if rule::is_unconditional(policy)
                        && rule::covers_every_call(policy, &action)
                        && forbidden.is_none() =>
                {
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
