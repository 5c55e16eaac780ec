//! To which brand agent a call belongs: what its arguments name, and what is known of that.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;
use scope3_mcp_catalog::{Member, Shape};
use scope3_mcp_client::credentials::Fingerprint;
use serde_json::{Map, Value};

/// How long it is remembered to whom a thing belongs.
const REMEMBERED: Duration = Duration::from_mins(5);

/// Of how many things it is remembered.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// How to find the brand agent of what an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The argument names the brand agent itself.
    Itself,
    /// It belongs to the brand agent for which this tool lists it, among these objects.
    Listed {
        /// The tool.
        read: &'static str,
        /// The member of its response.
        objects: &'static str,
    },
    /// It belongs to the brand agent of something else, which this tool shows.
    Through {
        /// The tool. Its argument has the same name.
        read: &'static str,
        /// The member of its response.
        object: &'static str,
        /// The member of this object that names something else.
        member: &'static str,
    },
}

const CAMPAIGN: Lookup = Lookup::Listed { read: "campaign_list", objects: "campaigns" };

/// The arguments that name something of a brand agent.
const LOOKUPS: [(&str, Lookup); 7] = [
    ("brandAgentId", Lookup::Itself),
    ("brand_agent_id", Lookup::Itself),
    ("buyerAgentId", Lookup::Itself),
    ("campaignId", CAMPAIGN),
    ("campaignIds", CAMPAIGN),
    ("tacticId", Lookup::Through { read: "tactic_get", object: "tactic", member: "campaignId" }),
    ("creativeId", Lookup::Through { read: "creative_get", object: "creative", member: "buyerAgentId" }),
];

/// How to find the brand agent of what an argument names, if it names something of one.
pub(crate) fn lookup(argument: &str) -> Option<Lookup> {
    LOOKUPS.iter().find(|(name, _)| *name == argument).map(|(_, lookup)| *lookup)
}

/// Whether the calls of a tool belong to brand agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum References {
    /// None does.
    None,
    /// Those with an optional argument do.
    Optional,
    /// All do.
    Required,
}

/// Whether calls with these arguments belong to brand agents.
pub(super) fn references(arguments: &[Member]) -> References {
    let is_text = |shape: &Shape| *shape == Shape::Text || *shape == Shape::List(Box::new(Shape::Text));
    let naming = arguments.iter().filter(|member| lookup(&member.name).is_some() && is_text(&member.shape));
    match naming.map(|member| member.required).max() {
        None => References::None,
        Some(false) => References::Optional,
        Some(true) => References::Required,
    }
}

/// The brand agent of a call, as far as its arguments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The arguments name nothing of a brand agent.
    None,
    /// The arguments name this brand agent, and nothing else that belongs to one.
    Named(String),
    /// The arguments name these things, each by the name of its argument and its id. All must belong to one brand agent.
    Of(Vec<(&'static str, String)>),
}

impl Owner {
    /// What the arguments of a call say.
    #[must_use]
    pub fn of(arguments: &Map<String, Value>) -> Self {
        let mut named = Vec::new();
        for (name, _) in LOOKUPS {
            match arguments.get(name) {
                Some(Value::String(id)) => named.push((name, id.clone())),
                Some(Value::Array(ids)) => {
                    named.extend(ids.iter().filter_map(Value::as_str).map(|id| (name, id.to_owned())));
                }
                _ => {}
            }
        }
        match named.as_slice() {
            [] => Self::None,
            [(name, id)] if lookup(name) == Some(Lookup::Itself) => Self::Named(id.clone()),
            _ => Self::Of(named),
        }
    }
}

/// What was looked up. Each key has its own, because it may see another account.
#[derive(Debug)]
pub(crate) struct Owners(Mutex<LruCache<Thing, (String, Instant)>>);

/// A thing, as a key sees it: the tool that lists it, and its id.
type Thing = (Fingerprint, &'static str, String);

impl Default for Owners {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_REMEMBERED)))
    }
}

impl Owners {
    /// The brand agent of a thing, if it was looked up a short time ago.
    pub(crate) fn get(&self, key: Fingerprint, read: &'static str, id: &str) -> Option<String> {
        let mut known = self.lock();
        let (owner, since) = known.get(&(key, read, id.to_owned()))?;
        (since.elapsed() < REMEMBERED).then(|| owner.clone())
    }

    /// Remembers the brand agent of a thing.
    pub(crate) fn put(&self, key: Fingerprint, read: &'static str, id: String, owner: &str) {
        self.lock().put((key, read, id), (owner.to_owned(), Instant::now()));
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Thing, (String, Instant)>> {
        // Each change is a single step, so a panic elsewhere leaves the cache consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
