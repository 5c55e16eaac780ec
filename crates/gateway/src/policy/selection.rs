//! The selection of tools by name, toolset, effect and API: the operator's, and what a request leaves of it.

use std::{collections::HashSet, sync::Arc};

use scope3_mcp_catalog::{CHECK_AUTH_STATUS, Catalog, Effect, Entry, Surface, echo, nearest, newer};

use super::Denied;

/// The operator's selection of tools to offer.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names of toolsets, `default` or `all`. `None` means `default`, or no toolset if `tools` is not empty.
    pub toolsets: Option<Vec<String>>,
    /// Names of tools to offer in addition.
    pub tools: Vec<String>,
    /// Names of tools not to offer.
    pub exclude: Vec<String>,
    /// Offer only tools that change nothing.
    pub read_only: bool,
    /// Offer the tools that find and call others, instead of a list of all. If no toolset or tool is named, all can be
    /// called.
    pub discover: bool,
    /// The active APIs.
    pub surfaces: Vec<Surface>,
}

/// The toolset that is offered with `discover`.
const DISCOVER: &str = "discover";

/// A name in the operator's selection that is not in the catalog.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {}", self.problem())]
pub struct UnknownName {
    /// The name of the setting, such as `exclude_tools`.
    pub setting: &'static str,
    kind: &'static str,
    name: String,
    instead: Option<String>,
}

impl UnknownName {
    /// The problem, without the name of the setting.
    #[must_use]
    pub fn problem(&self) -> String {
        let suggestion =
            self.instead.as_ref().map_or_else(String::new, |instead| format!("; did you mean `{instead}`?"));
        format!("unknown {} `{}`{suggestion}", self.kind, echo(&self.name))
    }
}

/// A selection that was validated against the catalog.
#[derive(Debug)]
pub(super) struct Selected {
    read_only: bool,
    excluded: HashSet<String>,
    surfaces: Vec<Surface>,
    discover: bool,
    toolsets: Option<Vec<String>>,
    tools: HashSet<String>,
}

impl Selected {
    /// Validates a selection against the catalog.
    ///
    /// # Errors
    /// If the selection names an unknown tool or toolset: a typo in `--exclude-tools` must not be ignored.
    pub(super) fn new(catalog: &Catalog, selection: Selection) -> Result<Self, UnknownName> {
        let toolset_names: Vec<&str> = ["default", "all", newer::TOOLSET]
            .into_iter()
            .chain(catalog.entries().map(|entry| &*entry.toolset))
            .collect();
        for name in selection.toolsets.iter().flatten() {
            if !toolset_names.contains(&name.as_str()) {
                let instead = nearest(name, toolset_names.iter().copied()).map(str::to_owned);
                return Err(UnknownName {
                    setting: "toolsets",
                    kind: "toolset",
                    name: name.clone(),
                    instead,
                });
            }
        }
        for (setting, names) in [("tools", &selection.tools), ("exclude_tools", &selection.exclude)] {
            if let Some(name) = names.iter().find(|name| catalog.get(name).is_none()) {
                let instead = catalog.nearest(name).map(str::to_owned);
                return Err(UnknownName { setting, kind: "tool", name: name.clone(), instead });
            }
        }
        Ok(Self {
            read_only: selection.read_only,
            excluded: selection.exclude.into_iter().collect(),
            surfaces: selection.surfaces,
            discover: selection.discover,
            toolsets: match selection.toolsets {
                None if selection.discover && selection.tools.is_empty() => Some(vec!["all".to_owned()]),
                toolsets => toolsets,
            },
            tools: selection.tools.into_iter().collect(),
        })
    }

    /// Checks whether a tool is selected. The first matching rule decides.
    pub(super) fn check(&self, entry: &Entry) -> Result<(), Denied> {
        let tool = &entry.tool;
        let is_local = entry.surface == Surface::Local;
        if self.read_only && tool.effect != Effect::Read {
            Err(Denied::ReadOnly)
        } else if self.excluded.contains(&*tool.name) {
            Err(Denied::Excluded)
        } else if is_local && entry.toolset == DISCOVER && !self.discover {
            Err(Denied::NotDiscovering)
        } else if !is_local && !self.surfaces.contains(&entry.surface) {
            Err(Denied::OtherSurface)
        } else if is_local || self.tools.contains(&*tool.name) || self.is_in_selected_toolset(entry) {
            Ok(())
        } else {
            Err(Denied::NotChosen)
        }
    }

    /// Whether a tool that may run is in the list that clients see.
    pub(super) fn lists(&self, entry: &Entry) -> bool {
        !self.discover || entry.surface == Surface::Local || entry.tool.name == CHECK_AUTH_STATUS
    }

    fn is_in_selected_toolset(&self, entry: &Entry) -> bool {
        match &self.toolsets {
            None => self.tools.is_empty() && entry.tool.default,
            Some(names) => names.iter().any(|name| match name.as_str() {
                "all" => true,
                "default" => entry.tool.default,
                name => name == entry.toolset,
            }),
        }
    }
}

/// What one request leaves of the operator's selection. It can only take away: a tool must be in both.
#[derive(Debug, Clone)]
pub struct Narrowing(Arc<Selected>);

impl Narrowing {
    /// Validates the selection of a request. Without names of toolsets or tools it leaves all; the active APIs stay as they
    /// are.
    ///
    /// # Errors
    /// If it names an unknown tool or toolset.
    pub fn new(catalog: &Catalog, selection: Selection) -> Result<Self, UnknownName> {
        let all = || vec!["all".to_owned()];
        let toolsets = selection.toolsets.or_else(|| selection.tools.is_empty().then(all));
        let surfaces = catalog.entries().map(|entry| entry.surface).collect();
        // Whether tools are found or listed is the operator's choice.
        Selected::new(catalog, Selection { toolsets, surfaces, discover: true, ..selection })
            .map(|own| Self(Arc::new(own)))
    }

    pub(super) fn check(&self, entry: &Entry) -> Result<(), Denied> {
        self.0.check(entry).map_err(|_| Denied::Narrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(selection: Selection) -> Vec<String> {
        let catalog = Catalog::of_surfaces(&[Surface::Campaign]);
        let policy =
            Selected::new(&catalog, Selection { surfaces: vec![Surface::Campaign], ..selection }).unwrap();
        catalog
            .entries()
            .filter(|entry| policy.check(entry).is_ok())
            .map(|entry| entry.tool.name.to_string())
            .collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_set_covers_daily_work_and_all_offers_every_tool() {
        let default = offered(Selection::default());
        assert!((28..=34).contains(&default.len()), "{}", default.len());
        assert!(default.contains(&"check_auth_status".to_owned()));
        let all = offered(Selection { toolsets: Some(names(&["all"])), ..Selection::default() });
        assert_eq!(all.len(), 65 + 3);
    }

    #[test]
    fn tools_add_to_toolsets_and_replace_the_default_set_when_given_alone() {
        let alone = offered(Selection { tools: names(&["pmp_list"]), ..Selection::default() });
        assert_eq!(alone, ["pmp_list", "get_usage", "read_result", "describe_tool"]);
        let both = offered(Selection {
            tools: names(&["pmp_list"]),
            toolsets: Some(names(&["webhooks"])),
            ..Selection::default()
        });
        assert_eq!(both, ["pmp_list", "webhook_register", "get_usage", "read_result", "describe_tool"]);
    }

    #[test]
    fn toolsets_add_to_each_other_and_to_the_default_set() {
        let of = |toolsets: &[&str]| {
            offered(Selection { toolsets: Some(names(toolsets)), ..Selection::default() })
        };
        assert_eq!(
            of(&["webhooks", "account"]),
            [
                "check_auth_status",
                "signals_get_accessible_accounts",
                "webhook_register",
                "get_usage",
                "read_result",
                "describe_tool"
            ],
            "the tools of both toolsets, and no others"
        );
        let default = offered(Selection::default());
        let both = of(&["default", "webhooks"]);
        assert!(!default.contains(&"webhook_register".to_owned()));
        assert_eq!(both.len(), default.len() + 1, "the default set plus one tool");
        assert!(
            default.iter().all(|name| both.contains(name)) && both.contains(&"webhook_register".to_owned())
        );
        assert_eq!(of(&["webhooks", "default"]), both, "in either order");
        assert_eq!(of(&["webhooks", "all"]), of(&["all"]));
        assert_eq!(of(&[]), ["get_usage", "read_result", "describe_tool"]);
    }

    #[test]
    fn read_only_overrides_every_other_setting() {
        let selection = Selection {
            tools: names(&["campaign_create"]),
            toolsets: Some(names(&["all"])),
            read_only: true,
            ..Selection::default()
        };
        let catalog = Catalog::embedded();
        for name in offered(selection) {
            assert_eq!(catalog.get(&name).unwrap().tool.effect, Effect::Read, "{name}");
        }
    }

    #[test]
    fn excluding_a_tool_overrides_selecting_it() {
        let selection = Selection {
            tools: names(&["campaign_create", "get_usage"]),
            exclude: names(&["campaign_create", "get_usage"]),
            ..Selection::default()
        };
        assert_eq!(offered(selection), ["read_result", "describe_tool"]);
    }

    #[test]
    fn a_request_can_only_take_away() {
        let catalog = Catalog::embedded();
        let left = |selection| {
            let narrowing = Narrowing::new(&catalog, selection).unwrap();
            let entries = catalog.entries().filter(|entry| narrowing.check(entry).is_ok());
            entries.map(|entry| entry.tool.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(left(Selection::default()).len(), catalog.entries().count(), "no name leaves all");
        let tools = Selection { tools: names(&["pmp_list"]), ..Selection::default() };
        let left_tools = left(tools);
        assert_eq!(left_tools[0], "pmp_list");
        assert!(left_tools[1..].iter().all(|name| catalog.get(name).unwrap().surface == Surface::Local));
        let read_only = left(Selection { read_only: true, ..Selection::default() });
        assert!(read_only.len() > 2 && !read_only.contains(&"campaign_create".to_owned()));
        let wrong = Selection { tools: names(&["pmp_lst"]), ..Selection::default() };
        assert!(Narrowing::new(&catalog, wrong).unwrap_err().to_string().contains("`pmp_list`"));
    }

    #[test]
    fn an_unknown_name_is_rejected_with_the_most_similar_one() {
        let catalog = Catalog::embedded();
        let error = |selection| Selected::new(&catalog, selection).unwrap_err().to_string();
        let unknown = error(Selection { exclude: names(&["campaign_creat"]), ..Selection::default() });
        assert_eq!(unknown, "exclude_tools: unknown tool `campaign_creat`; did you mean `campaign_create`?");
        let unknown = error(Selection { toolsets: Some(names(&["campaign"])), ..Selection::default() });
        assert_eq!(unknown, "toolsets: unknown toolset `campaign`; did you mean `campaigns`?");
    }
}
