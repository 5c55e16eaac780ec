//! Looks up to which brand agent a call belongs, when a rule of the operator depends on it.
//!
//! A brand agent is only believed if Scope3 says so: what no brand agent has is rejected, and so is a call whose brand agent
//! cannot be found out now. The requests count toward the limit of HTTP requests. They take no permit of a call, because the
//! agent did not ask for them, and a call that is rejected then has taken none.

use scope3_mcp_catalog::{Catalog, Entry};
use scope3_mcp_client::{PreparedRequest, credentials::Fingerprint};
use serde_json::{Map, Value};

use crate::{
    CallError, Gateway,
    attempts::SendError,
    caller::Call,
    failure::Failure,
    policy::{Lookup, Owner, Rules, UNKNOWN_OWNER, lookup},
    record::CallRecord,
};

/// How many brand agents are asked for what they have, to find one thing.
const MAX_BRAND_AGENTS: usize = 50;

/// A call, and what is needed to look something up for it.
pub(super) struct Search<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) rules: &'a Rules,
    pub(super) call: &'a Call,
    pub(super) key: Fingerprint,
}

/// Why the brand agent of a call is not known.
pub(super) enum Unknown {
    /// A look-up could not be sent.
    Unsent(SendError),
    /// Scope3 does not say.
    NotFound,
    /// The arguments belong to two brand agents.
    Several(String, String),
}

impl Unknown {
    /// What the caller reads.
    pub(super) fn failure(self, entry: &Entry, call: &Call) -> CallError {
        let reason = match self {
            Self::Unsent(error) => return Failure::send(error, &entry.tool, call.caller.key_owner).into(),
            Self::NotFound => UNKNOWN_OWNER.to_owned(),
            Self::Several(one, other) => format!(
                "the operator's policy depends on the brand agent to which it belongs, and its arguments belong to two: \
                 {one} and {other}"
            ),
        };
        Failure::forbidden(entry, &reason, None).into()
    }
}

impl Gateway {
    /// The brand agent to which a call with these arguments belongs. `None` if its arguments name nothing of one.
    pub(super) async fn brand_agent(
        &self,
        search: &Search<'_>,
        arguments: &Map<String, Value>,
        record: &mut CallRecord,
    ) -> Result<Option<String>, Unknown> {
        let things = match Owner::of(arguments) {
            Owner::None => return Ok(None),
            Owner::Named(id) => return Ok(Some(id)),
            Owner::Of(things) => things,
        };
        // The requests take no permit of a call.
        let counted = record.counted_key.replace(search.key);
        let mut found: Result<Option<String>, Unknown> = Ok(None);
        for (argument, id) in things {
            let owner = self.owner_of(search, argument, id, record).await;
            found = match (found, owner) {
                (Ok(Some(one)), Ok(other)) if one != other => Err(Unknown::Several(one, other)),
                (_, owner) => owner.map(Some),
            };
            if found.is_err() {
                break;
            }
        }
        record.counted_key = counted;
        found
    }

    /// The brand agent of one thing.
    async fn owner_of(
        &self,
        search: &Search<'_>,
        mut argument: &'static str,
        mut id: String,
        record: &mut CallRecord,
    ) -> Result<String, Unknown> {
        loop {
            match lookup(argument).ok_or(Unknown::NotFound)? {
                Lookup::Itself => return Ok(id),
                Lookup::Listed { read, objects } => {
                    return self.who_lists(search, read, objects, id, record).await;
                }
                Lookup::Through { read, object, member } => {
                    let owners = self.policy().owners();
                    let next = if let Some(next) = owners.get(search.key, read, &id) {
                        next
                    } else {
                        let with = [(argument.to_owned(), id.clone().into())];
                        let data = self.read(search, read, with, record).await?.ok_or(Unknown::NotFound)?;
                        let next = data.get(object).and_then(|object| text(object.get(member)?));
                        let next = next.ok_or(Unknown::NotFound)?;
                        owners.put(search.key, read, id, &next);
                        next
                    };
                    (argument, id) = (member, next);
                }
            }
        }
    }

    /// The brand agent for which a tool lists something: those that the rules name are asked first.
    async fn who_lists(
        &self,
        search: &Search<'_>,
        read: &'static str,
        objects: &str,
        id: String,
        record: &mut CallRecord,
    ) -> Result<String, Unknown> {
        let owners = self.policy().owners();
        if let Some(owner) = owners.get(search.key, read, &id) {
            return Ok(owner);
        }
        let mut asked: Vec<String> = Vec::new();
        let mut next: Vec<String> = search.rules.brand_agents().map(str::to_owned).collect();
        let mut has_listed = false;
        loop {
            for brand_agent in std::mem::take(&mut next) {
                if asked.contains(&brand_agent) || asked.len() >= MAX_BRAND_AGENTS {
                    continue;
                }
                let with = [("brandAgentId".to_owned(), brand_agent.clone().into())];
                let data = self.read(search, read, with, record).await?;
                let listed = data.as_ref().and_then(|data| data.get(objects)?.as_array());
                let mut has_it = false;
                for thing in listed.into_iter().flatten().filter_map(|thing| text(thing.get("id")?)) {
                    has_it |= thing == id;
                    owners.put(search.key, read, thing, &brand_agent);
                }
                if has_it {
                    return Ok(brand_agent);
                }
                asked.push(brand_agent);
            }
            if has_listed {
                return Err(Unknown::NotFound);
            }
            let data = self.read(search, "brand_agent_list", [], record).await?;
            let all = data.as_ref().and_then(|data| data.get("brandAgents")?.as_array());
            next = all.into_iter().flatten().filter_map(|agent| text(agent.get("id")?)).collect();
            has_listed = true;
        }
    }

    /// The response to a read. `None` if Scope3 does not give it: then it says nothing about whom something belongs to.
    async fn read(
        &self,
        search: &Search<'_>,
        tool: &str,
        arguments: impl IntoIterator<Item = (String, Value)>,
        record: &mut CallRecord,
    ) -> Result<Option<Map<String, Value>>, Unknown> {
        let Some(read) = search.catalog.get(tool) else { return Ok(None) };
        let (Some(template), Some(api)) = (&read.tool.request, self.surfaces.get(read.surface)) else {
            return Ok(None);
        };
        let arguments = arguments.into_iter().collect();
        let Ok(request) = PreparedRequest::new(api.client.base(), template, arguments) else {
            return Ok(None);
        };
        match self.send(search.call, read, api, &request, record).await {
            Ok(answer) => Ok(Some(answer.data)),
            Err(SendError::Api(error)) => {
                tracing::debug!(read = tool, %error, "cannot find out to which brand agent a call belongs");
                Ok(None)
            }
            Err(unsent) => Err(Unknown::Unsent(unsent)),
        }
    }
}

/// An id, written as a text or as a number.
fn text(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
