//! What the rules may speak of: the Cedar schema, generated from the catalog.
//!
//! | Cedar | what it is |
//! |---|---|
//! | `Action::"campaign_create"` | a tool, in the groups `effect:spend`, `toolset:campaigns` and `surface:campaign` |
//! | `Key::"3f9a…"` | the principal: the fingerprint of the API key, in `Client::"name"` if the client gives its name |
//! | `BrandAgent::"id"`, `Campaign::"id"`, `Account::"scope3"` | the resource: what the arguments name |
//! | `context.arguments` | the arguments that have one type each |
//! | `context.amount`, `context.currency`, `context.hour`, `context.spentToday` | the same for every tool |

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, ParseErrors, Schema, SchemaError};
use scope3_mcp_catalog::{Catalog, Entry, Member, Shape, shape};
use serde_json::{Map, Value, json};

/// The type of resource for each argument that names one. The first argument that a call has decides.
const RESOURCES: [(&str, &str); 2] = [("brandAgentId", BRAND_AGENT), ("campaignId", CAMPAIGN)];

const BRAND_AGENT: &str = "BrandAgent";
const CAMPAIGN: &str = "Campaign";
const ACCOUNT: &str = "Account";

/// The id of the only account.
const ACCOUNT_ID: &str = "scope3";

/// A tool as an action.
#[derive(Debug)]
pub(super) struct Action {
    /// Its id.
    pub(super) uid: EntityUid,
    /// The action itself and its groups, as entities of a request.
    pub(super) entities: Vec<Entity>,
    /// The ids of its groups.
    pub(super) groups: HashSet<EntityUid>,
    /// The arguments that rules can read.
    pub(super) arguments: Vec<Member>,
}

/// The types of the entities that requests contain.
#[derive(Debug)]
pub(super) struct Types {
    key: EntityTypeName,
    client: EntityTypeName,
    resources: HashMap<&'static str, EntityTypeName>,
}

impl Types {
    fn new() -> Result<Self, SchemaFault> {
        let named = |name: &str| name.parse().map_err(|error| SchemaFault::Name(Box::new(error)));
        let resources = [BRAND_AGENT, CAMPAIGN, ACCOUNT].map(|name| Ok((name, named(name)?)));
        Ok(Self {
            key: named("Key")?,
            client: named("Client")?,
            resources: resources.into_iter().collect::<Result<_, SchemaFault>>()?,
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

    /// The resource of a call.
    pub(super) fn resource(&self, action: &Action, arguments: &Map<String, Value>) -> Option<EntityUid> {
        let named = candidates(&action.arguments).find_map(|(member, kind)| {
            Some(uid(self.resources.get(kind)?, arguments.get(&member.name)?.as_str()?))
        });
        named.or_else(|| Some(uid(self.resources.get(ACCOUNT)?, ACCOUNT_ID)))
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// The arguments that name a resource, in the order in which they decide.
fn candidates(arguments: &[Member]) -> impl Iterator<Item = (&Member, &'static str)> {
    RESOURCES.iter().filter_map(|(name, kind)| {
        let named = arguments.iter().find(|member| member.name == *name && member.shape == Shape::Text)?;
        Some((named, *kind))
    })
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
        let own = groups_of(entry);
        actions.insert(entry.tool.name.to_string(), action(&own, &arguments));
        by_name.insert(entry.tool.name.to_string(), as_entities(&kind, entry, &own, arguments));
        groups.extend(own);
    }
    actions.extend(groups.into_iter().map(|group| (group, json!({}))));
    let schema = json!({ "": {
        "entityTypes": {
            "Key": { "memberOfTypes": ["Client"] },
            "Client": {},
            BRAND_AGENT: {},
            CAMPAIGN: {},
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

/// The groups of a tool.
fn groups_of(entry: &Entry) -> [String; 3] {
    [
        format!("effect:{}", entry.tool.effect),
        format!("toolset:{}", entry.toolset),
        format!("surface:{}", entry.surface),
    ]
}

fn as_entities(kind: &EntityTypeName, entry: &Entry, groups: &[String], arguments: Vec<Member>) -> Action {
    let own = uid(kind, &entry.tool.name);
    let groups: HashSet<EntityUid> = groups.iter().map(|group| uid(kind, group)).collect();
    let mut entities = vec![Entity::new_no_attrs(own.clone(), groups.clone())];
    entities.extend(groups.iter().map(|group| Entity::new_no_attrs(group.clone(), HashSet::new())));
    Action { uid: own, entities, groups, arguments }
}

fn action(groups: &[String], arguments: &[Member]) -> Value {
    let mut resources: Vec<&str> = Vec::new();
    let mut is_certain = false;
    for (member, kind) in candidates(arguments) {
        if !is_certain {
            resources.push(kind);
            is_certain = member.required;
        }
    }
    if !is_certain {
        resources.push(ACCOUNT);
    }
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
