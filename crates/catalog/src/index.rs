//! The tools by name, and the catalog that can be replaced while the server runs.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
};

use super::{ENTRIES, Entry, EntryRef, Local, Surface, nearest, search::Index};

/// The tool that says whose key it is. Documentation promises its name.
pub const CHECK_AUTH_STATUS: &str = "check_auth_status";

/// A set of tools. Cloning it is cheap; a clone never changes.
#[derive(Debug, Clone)]
pub struct Catalog {
    tools: Arc<Tools>,
}

#[derive(Debug)]
struct Tools {
    entries: Vec<EntryRef>,
    /// Positions in `entries`, in the order of the tools' names.
    by_name: Vec<usize>,
    // Made by the first search, because few processes search.
    index: OnceLock<Index>,
}

impl Catalog {
    /// The embedded catalog, with the tools of all APIs.
    #[must_use]
    pub fn embedded() -> Self {
        static EMBEDDED: LazyLock<Catalog> = LazyLock::new(|| Catalog::of_surfaces(&Surface::ALL));
        EMBEDDED.clone()
    }

    /// The embedded tools of these APIs, and the local ones. A name that several of the APIs have gets its API as a prefix,
    /// such as `buyer_get_thing`. `check_auth_status`, which is promised, keeps its name in the first of them.
    #[must_use]
    pub fn of_surfaces(surfaces: &[Surface]) -> Self {
        Self::combined(surfaces, &HashMap::new(), Vec::new())
    }

    /// The embedded tools of these APIs, some replaced by position, and others after them.
    pub(super) fn combined(
        surfaces: &[Surface],
        replaced: &HashMap<usize, EntryRef>,
        added: Vec<EntryRef>,
    ) -> Self {
        let active = |(position, entry): (usize, &'static Entry)| match entry.surface_among(surfaces) {
            _ if entry.surface == Surface::Local => Some(EntryRef::Embedded(entry)),
            Some(_) if replaced.contains_key(&position) => replaced.get(&position).cloned(),
            Some(surface) if surface == entry.surface => Some(EntryRef::Embedded(entry)),
            Some(surface) => Some(entry.of_surface(surface).into()),
            None => None,
        };
        let mut entries: Vec<EntryRef> = ENTRIES.iter().enumerate().filter_map(active).chain(added).collect();
        if !entries.iter().any(|entry| entry.tool.pending.is_some()) {
            // There is nothing to wait for.
            entries.retain(|entry| entry.tool.answers != Some(Local::Wait));
        }
        prefixed(entries, surfaces.first().copied())
    }

    /// These tools, and the built-in ones of APIs that are not active. Rules may name them.
    #[must_use]
    pub fn with_inactive(&self) -> Self {
        self.shared_entries().iter().chain(Self::embedded().shared_entries()).cloned().collect()
    }

    /// The API of a built-in tool that is not among these.
    #[must_use]
    pub fn inactive_api_of(&self, name: &str) -> Option<Surface> {
        let known = Self::embedded().get(name)?.surface;
        (self.get(name).is_none() && known != Surface::Local).then_some(known)
    }

    /// All tools, in list order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.tools.entries.iter().map(|entry| &**entry)
    }

    /// All tools, as shared entries.
    #[must_use]
    pub fn shared_entries(&self) -> &[EntryRef] {
        &self.tools.entries
    }

    /// The tool with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&EntryRef> {
        let Tools { entries, by_name, .. } = &*self.tools;
        let found = by_name.binary_search_by(|&position| (*entries[position].tool.name).cmp(name)).ok()?;
        Some(&entries[by_name[found]])
    }

    /// The tools that match a query, best first, among those that are offered. Tools with the same score keep the order of
    /// the list.
    #[must_use]
    pub fn search(&self, query: &str, is_offered: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        let Tools { entries, index, .. } = &*self.tools;
        let index = index.get_or_init(|| Index::new(self.entries()));
        index.search(entries, query, is_offered).into_iter().map(|found| &*entries[found]).collect()
    }

    /// The most similar tool name.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.entries().map(|entry| &*entry.tool.name))
    }
}

/// The catalog of these entries. Where entries of several APIs have the same name, their APIs become prefixes.
fn prefixed(entries: Vec<EntryRef>, first: Option<Surface>) -> Catalog {
    let mut owners: HashMap<&str, Surface> = HashMap::new();
    let mut ambiguous = HashSet::new();
    for entry in &entries {
        let name = &*entry.tool.name;
        if *owners.entry(name).or_insert(entry.surface) != entry.surface {
            ambiguous.insert(name);
        }
    }
    let renamed = entries.iter().map(|entry| {
        let keeps = |name: &str| name == CHECK_AUTH_STATUS && Some(entry.surface) == first;
        let rename = |name: &str| {
            (ambiguous.contains(name) && !keeps(name)).then(|| format!("{}_{name}", entry.surface))
        };
        entry.renamed(rename).map_or_else(|| entry.clone(), EntryRef::from)
    });
    renamed.collect()
}

/// The catalog of these entries, in this order. If two entries have the same name, the first is used.
impl FromIterator<EntryRef> for Catalog {
    fn from_iter<Entries: IntoIterator<Item = EntryRef>>(entries: Entries) -> Self {
        let mut names = HashSet::new();
        let entries: Vec<EntryRef> =
            entries.into_iter().filter(|entry| names.insert(entry.tool.name.clone())).collect();
        let mut by_name: Vec<usize> = (0..entries.len()).collect();
        by_name.sort_unstable_by(|&a, &b| entries[a].tool.name.cmp(&entries[b].tool.name));
        Self { tools: Arc::new(Tools { entries, by_name, index: OnceLock::new() }) }
    }
}

/// The current catalog. It can be replaced at run time; a running call keeps the catalog that it started with.
#[derive(Debug)]
pub struct Live {
    current: RwLock<Catalog>,
}

impl Live {
    /// A holder of this catalog.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self { current: RwLock::new(catalog) }
    }

    /// The current catalog.
    #[must_use]
    pub fn current(&self) -> Catalog {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the catalog for all later calls.
    pub fn replace(&self, catalog: Catalog) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Toolset;

    fn loaded(name: &str, title: &str) -> EntryRef {
        of(Surface::Campaign, name, title)
    }

    fn of(surface: Surface, name: &str, title: &str) -> EntryRef {
        let file: Toolset = serde_json::from_value(json!({
            "toolset": "things",
            "description": "Things.",
            "tools": [{
                "name": name, "title": title, "description": "A thing.", "request": "GET /thing", "effect": "read",
            }],
        }))
        .unwrap();
        let tool = file.tools.into_iter().next().unwrap();
        Entry::loaded(surface, file.toolset, tool).into()
    }

    #[test]
    fn every_tool_is_found_by_its_name_and_keeps_its_position() {
        let catalog = Catalog::embedded();
        for entry in catalog.entries() {
            assert_eq!(catalog.get(&entry.tool.name).unwrap().tool.name, entry.tool.name);
        }
        assert!(
            catalog.get("campaign").is_none() && catalog.get("").is_none() && catalog.get("zzz").is_none()
        );
        let listed: Vec<&str> = catalog.entries().map(|entry| &*entry.tool.title).collect();
        let built: Vec<&str> = ENTRIES.iter().map(|entry| &*entry.tool.title).collect();
        assert_eq!(listed, built);
    }

    #[test]
    fn the_first_of_two_tools_with_the_same_name_is_kept() {
        let catalog: Catalog = [loaded("b", "1"), loaded("a", "2"), loaded("b", "3")].into_iter().collect();
        assert_eq!(catalog.entries().count(), 2);
        assert_eq!(catalog.get("b").unwrap().tool.title, "1");
    }

    #[test]
    fn a_name_of_several_active_apis_has_the_api_as_its_prefix() {
        let entries = vec![of(Surface::Buyer, "a", "1"), of(Surface::Storefront, "a", "2"), loaded("b", "3")];
        let catalog = prefixed(entries, Some(Surface::Buyer));
        let names: Vec<&str> = catalog.entries().map(|entry| &*entry.tool.name).collect();
        assert_eq!(names, ["buyer_a", "storefront_a", "b"]);
        assert_eq!(catalog.get("storefront_a").unwrap().tool.title, "2");
        let campaign = Catalog::of_surfaces(&[Surface::Campaign]);
        assert!(campaign.get("campaign_list").is_some() && campaign.get("list_campaigns").is_none());
        let both = Catalog::of_surfaces(&[Surface::Campaign, Surface::Buyer]);
        let names: Vec<&str> = both
            .entries()
            .map(|entry| &*entry.tool.name)
            .filter(|name| name.ends_with(CHECK_AUTH_STATUS))
            .collect();
        assert_eq!(names, ["buyer_check_auth_status", "check_auth_status"], "campaign comes first");
    }

    #[test]
    fn a_replaced_catalog_is_used_only_by_later_calls() {
        let live = Live::new(Catalog::embedded());
        let before = live.current();
        live.replace(
            before.shared_entries().iter().cloned().chain([loaded("thing_get", "Get thing")]).collect(),
        );
        let after = live.current();
        assert!(before.get("thing_get").is_none());
        assert_eq!(after.get("thing_get").unwrap().toolset, "things");
        assert!(after.get("campaign_create").is_some());
        assert_eq!(after.nearest("thing_gett"), Some("thing_get"));
    }
}
