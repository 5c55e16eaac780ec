//! The APIs that this server calls.

use std::{fmt, time::Duration};

use scope3_mcp_catalog::{Entry, Surface};
use scope3_mcp_client::{BaseUrl, Class, Client, ClientConfig, Counts, Profile, Quota, ResponseMemory};
use tower::retry::budget::{Budget, TpsBudget};

/// One API: its client, quotas and retry budget.
pub struct Api {
    surface: Surface,
    pub(crate) client: Client,
    quotas: Vec<Quota>,
    pub(super) retry_budget: TpsBudget,
}

impl Api {
    /// Creates an API at `base` with these quotas. Its responses share `memory` with those of other APIs.
    #[must_use]
    pub fn new(
        profile: &'static Profile,
        base: BaseUrl,
        config: ClientConfig,
        memory: ResponseMemory,
        quotas: Vec<Quota>,
    ) -> Self {
        let client = Client::new(profile, base, config, memory);
        // Besides a reserve of one retry per second, at most a fifth of calls may be retried, so that retries do not
        // overload a service that is down.
        let retry_budget = TpsBudget::new(Duration::from_secs(10), 1, 0.2);
        Self { surface: profile.surface, client, quotas, retry_budget }
    }

    /// Which API it is.
    pub(super) fn surface(&self) -> Surface {
        self.surface
    }

    /// The classes that an HTTP request for a tool counts toward. A call counts once; each of its requests counts.
    pub(super) fn classes(&self, entry: &Entry, is_first: bool) -> Vec<Class> {
        let counts = |quota: &&Quota| match quota.counts {
            Counts::Requests => true,
            Counts::Calls => is_first,
            Counts::CallsWith(limit) => is_first && entry.tool.limit == Some(limit),
        };
        self.quotas.iter().filter(counts).map(|quota| quota.class).collect()
    }

    /// The class whose limit Scope3 means when it answers a tool's request with "too many requests".
    pub(super) fn refused_class(&self, entry: &Entry) -> Option<Class> {
        let with = |counts| self.quotas.iter().find(|quota| quota.counts == counts).map(|quota| quota.class);
        let special = entry.tool.limit.and_then(|limit| with(Counts::CallsWith(limit)));
        special.or_else(|| with(Counts::Requests))
    }

    /// The class that counts HTTP requests.
    pub(super) fn request_class(&self) -> Option<Class> {
        self.quotas.iter().find(|quota| quota.counts == Counts::Requests).map(|quota| quota.class)
    }

    /// Adds a call to this API's retry budget, where it pays for part of a retry.
    pub(super) fn deposit(&self) {
        self.retry_budget.deposit();
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("surface", &self.surface)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// The active APIs. Several can be active at once.
#[derive(Debug, Default)]
pub struct Surfaces(Vec<Api>);

impl Surfaces {
    /// The API of a surface, if it is active.
    pub(super) fn get(&self, surface: Surface) -> Option<&Api> {
        self.0.iter().find(|api| api.surface == surface)
    }

    /// The quotas of all APIs.
    pub(super) fn quotas(&self) -> impl Iterator<Item = Quota> {
        self.0.iter().flat_map(|api| &api.quotas).copied()
    }

    /// All APIs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Api> {
        self.0.iter()
    }
}

impl FromIterator<Api> for Surfaces {
    fn from_iter<Apis: IntoIterator<Item = Api>>(apis: Apis) -> Self {
        Self(apis.into_iter().collect())
    }
}
