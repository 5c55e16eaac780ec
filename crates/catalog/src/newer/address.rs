//! Where an operation is: its method and the whole path on its host. Names of parameters do not count.

use crate::{Entry, request::Request};

use super::server_of;

/// The address of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    host: String,
    method: &'static str,
    /// The steps of the path. `None` is a parameter.
    steps: Vec<Option<String>>,
}

impl Address {
    /// The address of a request below a server, whose path `base` replaces.
    pub(super) fn of(server: &str, base: Option<&str>, request: &Request) -> Self {
        let path = format!("{}{}", base.unwrap_or(path_of(server)), request.path);
        let steps = path.split('/').filter(|step| !step.is_empty());
        let steps = steps.map(|step| (!step.starts_with('{')).then(|| step.to_owned()));
        Self { host: host_of(server).to_owned(), method: request.method.as_str(), steps: steps.collect() }
    }

    /// The address of a built-in tool, if a document describes its API.
    pub(super) fn of_entry(entry: &Entry) -> Option<Self> {
        let request = entry.tool.request.as_ref()?;
        Some(Self::of(server_of(entry.surface)?, request.base.as_deref(), request))
    }

    /// Whether a request can have both addresses.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let same = |(one, other): (&Option<String>, &Option<String>)| {
            one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        self.method == other.method
            && self.host == other.host
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(same)
    }
}

/// The path of a base URL, such as `/api/v2/buyer`.
pub(super) fn path_of(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

fn host_of(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
