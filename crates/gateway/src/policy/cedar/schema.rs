//! What the rules may speak of: the Cedar schema, generated from the catalog.
//!
//! | Cedar | what it is |
//! |---|---|
//! | `Action::"campaign_create"` | a tool, in the groups `effect:spend`, `toolset:campaigns` and `surface:campaign`. A call is in the group of its own effect |
//! | `Key::"3f9a…"` | the principal: the fingerprint of the API key, in `Client::"name"` if the client gives its name |
//! | `BrandAgent::"id"`, `Account::"scope3"` | the resource: to which brand agent what the arguments name belongs |
//! | `context.arguments` | the arguments that have one type each |
//! | `context.amount`, `context.currency`, `context.hour`, `context.spentToday` | the same for every tool |

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, ParseErrors, Policy, Schema, SchemaError};
use scope3_mcp_catalog::{Catalog, Effect, Entry, Member, Shape, shape};
use serde_json::{Map, Value, json};

use crate::policy::owner::{self, References};

const BRAND_AGENT: &str = "BrandAgent";
const ACCOUNT: &str = "Account";

/// The id of the only account.
const ACCOUNT_ID: &str = "scope3";

/// A tool as an action.
#[derive(Debug)]
pub(super) struct Action {
    /// Its id.
    pub(super) uid: EntityUid,
    /// The ids of its groups: those that every call is in, and those of the effects that a call can have.
    pub(super) groups: HashSet<EntityUid>,
    /// The ids of the groups that every call is in.
    pub(super) always: HashSet<EntityUid>,
    /// The arguments that rules can read.
    pub(super) arguments: Vec<Member>,
}

/// The types of the entities that requests contain.
#[derive(Debug)]
pub(super) struct Types {
    key: EntityTypeName,
    client: EntityTypeName,
    brand_agent: EntityTypeName,
    account: EntityTypeName,
}

impl Types {
    fn new() -> Result<Self, SchemaFault> {
        let named = |name: &str| name.parse().map_err(|error| SchemaFault::Name(Box::new(error)));
        Ok(Self {
            key: named("Key")?,
            client: named("Client")?,
            brand_agent: named(BRAND_AGENT)?,
            account: named(ACCOUNT)?,
        })
    }

    /// The principal of a call, and its groups.
    pub(super) fn principal(&self, key: &str, client: Option<&str>) -> (EntityUid, Vec<Entity>) {
        let client = client.map(|name| uid(&self.client, name));
        let key = uid(&self.key, key);
        let mut entities = vec![Entity::new_no_attrs(key.clone(), client.iter().cloned().collect())];
        entities.extend(client.map(|client| Entity::new_no_attrs(client, HashSet::new())));
        (key, entities)
    }

    /// The resource of a call that belongs to this brand agent, or to none.
    pub(super) fn resource(&self, brand_agent: Option<&str>) -> EntityUid {
        match brand_agent {
            Some(id) => uid(&self.brand_agent, id),
            None => uid(&self.account, ACCOUNT_ID),
        }
    }

    /// The brand agents that a rule names.
    pub(super) fn brand_agents(&self, policy: &Policy) -> Vec<String> {
        let named = policy.entity_literals().into_iter().filter(|uid| *uid.type_name() == self.brand_agent);
        named.map(|uid| uid.id().unescaped().to_owned()).collect()
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Why the catalog has no schema. It is a fault of this program.
#[derive(Debug, thiserror::Error)]
pub enum SchemaFault {
    /// Cedar rejects the schema.
    #[error("the schema of the catalog")]
    Schema(#[from] Box<SchemaError>),
    /// Cedar rejects the name of a type.
    #[error("the name of a type of the schema")]
    Name(#[source] Box<ParseErrors>),
}

/// The schema of a catalog's tools, the types of entities, and the tools by name.
pub(super) struct Generated {
    pub(super) schema: Schema,
    pub(super) types: Types,
    pub(super) actions: HashMap<String, Action>,
}

/// Generates the schema.
///
/// # Errors
/// If Cedar rejects it. A test generates the schema of every tool.
pub(super) fn generate(catalog: &Catalog) -> Result<Generated, SchemaFault> {
    let mut actions = Map::new();
    let mut groups = BTreeSet::new();
    let mut by_name = HashMap::new();
    let kind: EntityTypeName = "Action".parse().map_err(|error| SchemaFault::Name(Box::new(error)))?;
    for entry in catalog.entries() {
        let arguments = shape(&entry.tool);
        let always = groups_of(entry);
        let effects: Vec<String> = entry.tool.possible_effects().map(effect_group).collect();
        let own: Vec<String> = always.iter().chain(&effects).cloned().collect();
        actions.insert(entry.tool.name.to_string(), action(&own, &arguments));
        let ids = |groups: &[String]| groups.iter().map(|group| uid(&kind, group)).collect::<HashSet<_>>();
        let mut always = ids(&always);
        if let [only] = &effects[..] {
            always.insert(uid(&kind, only));
        }
        let found = Action { uid: uid(&kind, &entry.tool.name), groups: ids(&own), always, arguments };
        by_name.insert(entry.tool.name.to_string(), found);
        groups.extend(own);
    }
    actions.extend(groups.into_iter().map(|group| (group, json!({}))));
    let schema = json!({ "": {
        "entityTypes": {
            "Key": { "memberOfTypes": ["Client"] },
            "Client": {},
            BRAND_AGENT: {},
            ACCOUNT: {},
        },
        "actions": actions,
    } });
    Ok(Generated {
        schema: Schema::from_json_value(schema).map_err(Box::new)?,
        types: Types::new()?,
        actions: by_name,
    })
}

/// The groups that every call of a tool is in, besides that of its effect.
fn groups_of(entry: &Entry) -> [String; 2] {
    [format!("toolset:{}", entry.toolset), format!("surface:{}", entry.surface)]
}

fn effect_group(effect: Effect) -> String {
    format!("effect:{effect}")
}

impl Action {
    /// The action and its groups, as entities of a request about a call with this effect.
    pub(super) fn entities(&self, effect: Effect) -> Vec<Entity> {
        let own = uid(self.uid.type_name(), &effect_group(effect));
        let is_of_call = |group: &&EntityUid| {
            **group == own || self.always.contains(*group) && !group.id().unescaped().starts_with("effect:")
        };
        let groups: HashSet<EntityUid> = self.groups.iter().filter(is_of_call).cloned().collect();
        let mut entities = vec![Entity::new_no_attrs(self.uid.clone(), groups.clone())];
        entities.extend(groups.into_iter().map(|group| Entity::new_no_attrs(group, HashSet::new())));
        entities
    }
}

fn action(groups: &[String], arguments: &[Member]) -> Value {
    let resources: &[&str] = match owner::references(arguments) {
        References::None => &[ACCOUNT],
        References::Optional => &[BRAND_AGENT, ACCOUNT],
        References::Required => &[BRAND_AGENT],
    };
    let groups: Vec<Value> = groups.iter().map(|group| json!({ "id": group })).collect();
    json!({
        "memberOf": groups,
        "appliesTo": {
            "principalTypes": ["Key"],
            "resourceTypes": resources,
            "context": record([
                ("arguments".to_owned(), type_of(&Shape::Object(arguments.to_vec()))),
                ("amount".to_owned(), optional(json!({ "type": "Long" }))),
                ("currency".to_owned(), optional(json!({ "type": "String" }))),
                ("hour".to_owned(), json!({ "type": "Long" })),
                ("spentToday".to_owned(), json!({ "type": "Long" })),
            ]),
        },
    })
}

fn record(attributes: impl IntoIterator<Item = (String, Value)>) -> Value {
    json!({ "type": "Record", "attributes": attributes.into_iter().collect::<Map<_, _>>() })
}

fn optional(mut attribute: Value) -> Value {
    attribute["required"] = false.into();
    attribute
}

fn type_of(shape: &Shape) -> Value {
    match shape {
        Shape::Boolean => json!({ "type": "Boolean" }),
        Shape::Integer => json!({ "type": "Long" }),
        Shape::Number => json!({ "type": "Extension", "name": "decimal" }),
        Shape::Text => json!({ "type": "String" }),
        Shape::List(item) => json!({ "type": "Set", "element": type_of(item) }),
        Shape::Object(members) => record(members.iter().map(|Member { name, shape, required }| {
            let kind = type_of(shape);
            (name.clone(), if *required { kind } else { optional(kind) })
        })),
    }
}
