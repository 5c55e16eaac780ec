//! Builds the server's parts from the settings.

use std::{io, sync::Arc};

use scope3_mcp_gateway::{
    Api, Backend, BaseUrl, BaseUrlError, Caller, ClientConfig, Environment, Gateway, GatewayConfig, KeyOwner,
    Profile, ResponseMemory,
    catalog::Surface,
    credentials::{ApiKey, KeyError, KeyRing},
    state::StateError,
};
use scope3_mcp_sandbox::{Options, Sandbox};

use crate::{
    config::{ConfigError, DiscoverChoice, Settings},
    documents::{self, DocumentError},
    mcp::{Keys, Listeners, Server},
};

/// The parts that every command works with.
#[derive(Debug)]
pub struct App {
    /// The path that every call takes.
    pub gateway: Arc<Gateway>,
    /// The server's own keys.
    pub keys: Arc<KeyRing>,
    // The sandbox stops when this is dropped.
    sandbox: Option<Sandbox>,
    /// The sessions that hear when the list of tools changes, if it can.
    listeners: Option<Listeners>,
    lists_found_tools: bool,
}

/// Why the parts cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A newer document cannot be used.
    #[error("{name}: {source}")]
    Document {
        /// The setting, as the user gave it.
        name: String,
        /// Why it cannot be used.
        source: DocumentError,
    },
    /// The sandbox cannot start.
    #[error("the sandbox cannot start: {0}")]
    Sandbox(#[source] io::Error),
    /// The sandbox reported an invalid URL.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
    /// The state that the operator named cannot be used.
    #[error("{name}: {source}")]
    State {
        /// The setting, as the user gave it.
        name: String,
        /// Why it cannot be used.
        source: StateError,
    },
    /// A surface has no URL in this environment.
    #[error("{name}: Scope3 publishes no staging URL for the API `{surface}`; set one with --api-url")]
    NoBaseUrl {
        /// The setting of the environment, as the user gave it.
        name: String,
        /// The surface.
        surface: Surface,
    },
}

impl StartError {
    /// Whether the user can fix the error with other settings.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Config(_) | Self::NoBaseUrl { .. } | Self::State { .. } | Self::Document { .. })
    }
}

impl App {
    /// Builds the parts that the settings describe, and starts the sandbox if they select it.
    ///
    /// # Errors
    /// If a setting is wrong or the sandbox cannot start.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let catalog = documents::catalog(settings)
            .map_err(|source| StartError::Document { name: settings.name_of("openapi"), source })?;
        let policy = settings.policy(&catalog)?;
        let own_keys = settings.key_ring()?;
        let uploads = settings.uploads()?;
        let state = settings.state_location().state();
        let opened = if settings.state.is_some() { state.open().await } else { Ok(()) };
        if let Err(source) = &opened
            && source.is_usage()
        {
            return Err(StartError::State { name: settings.name_of("state"), source: source.clone() });
        }
        let (sandbox, keys) = if settings.sandbox {
            let sandbox = Sandbox::start(Options::default(), catalog.clone()).await;
            // The operator's key goes to Scope3 only, so the sandbox gets keys of its own.
            (Some(sandbox.map_err(StartError::Sandbox)?), sandbox_keys())
        } else {
            (None, own_keys)
        };
        let target = match settings.environment.into() {
            _ if sandbox.is_some() => Backend::Sandbox,
            Environment::Production => Backend::Production,
            Environment::Staging => Backend::Staging,
        };
        let memory = ResponseMemory::new(settings.response_memory.get() as usize * 1024 * 1024);
        let customer = settings.customer()?;
        let mut apis = Vec::new();
        for &surface in &settings.api {
            let profile = Profile::of(surface).ok_or_else(|| no_base_url(settings, surface))?;
            let base = base_url(settings, sandbox.as_ref(), profile)?;
            tracing::info!(api = %base, surface = surface.as_str(), sandbox = sandbox.is_some(), "starting");
            let quotas = settings.quotas(profile);
            let config = ClientConfig { customer, ..ClientConfig::default() };
            apis.push(Api::new(profile, base, config, memory.clone(), quotas));
        }
        let gateway = Gateway::new(GatewayConfig {
            catalog,
            policy,
            surfaces: apis.into_iter().collect(),
            on_limit: settings.when_full(),
            unproven_per_minute: settings.unproven_per_minute,
            state,
            repeat_guard: settings.repeat_guard,
            journal_arguments: settings.journal_arguments,
            confirm: settings.confirm.into(),
            caps: settings.caps()?,
            max_result: settings.max_result as usize,
            uploads,
            target,
        });
        if let Err(error) = opened {
            gateway.note_state_failure(error);
        }
        Ok(Self {
            gateway: Arc::new(gateway),
            keys: Arc::new(keys),
            sandbox,
            listeners: documents::can_change(settings).then(Listeners::default),
            lists_found_tools: settings.discover == DiscoverChoice::List,
        })
    }

    /// The operator as a caller, with the server's own keys.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::new(Arc::clone(&self.keys), KeyOwner::Server)
    }

    /// An MCP server that uses these keys.
    #[must_use]
    pub fn server(&self, keys: Keys) -> Server {
        if self.sandbox.is_none() && matches!(keys, Keys::Own(_)) {
            // Run in the background: the command that prints the key may take longer than a client waits for the
            // server.
            tokio::spawn(warn_about(Arc::clone(&self.keys)));
        }
        Server::new(Arc::clone(&self.gateway), keys)
            .with_listeners(self.listeners.clone())
            .with_found_tools(self.lists_found_tools)
    }

    /// An MCP server that uses the server's own keys.
    #[must_use]
    pub fn own_server(&self) -> Server {
        self.server(Keys::Own(Arc::clone(&self.keys)))
    }

    /// Uses the documents that the operator chooses from now on, and tells the sessions, as long as the server runs.
    pub fn follow_documents(&self, settings: &Settings) {
        if let Some(listeners) = &self.listeners {
            let followed =
                documents::follow(Arc::downgrade(&self.gateway), settings.clone(), listeners.clone());
            tokio::spawn(followed);
        }
    }
}

/// The base URL of a surface: the sandbox's, the operator's, or the one that Scope3 publishes.
fn base_url(
    settings: &Settings,
    sandbox: Option<&Sandbox>,
    profile: &'static Profile,
) -> Result<BaseUrl, StartError> {
    if let Some(sandbox) = sandbox {
        let url = sandbox.url_of(profile.surface).ok_or_else(|| no_base_url(settings, profile.surface))?;
        return Ok(url.parse()?);
    }
    if let Some(url) = settings.base_url(profile.surface)? {
        return Ok(url);
    }
    let published = profile.base_url(settings.environment.into());
    let published = published.ok_or_else(|| no_base_url(settings, profile.surface))?;
    Ok(published.parse()?)
}

fn no_base_url(settings: &Settings, surface: Surface) -> StartError {
    StartError::NoBaseUrl { name: settings.name_of("environment"), surface }
}

/// The key of the sandbox's first customer. The second key belongs to another customer, so it is not a backup.
fn sandbox_keys() -> KeyRing {
    let [first, _] = Sandbox::keys();
    ApiKey::parse(&first.into()).map_or_else(|_| KeyRing::empty(), KeyRing::of)
}

/// Warns at startup about keys with which calls would fail.
async fn warn_about(keys: Arc<KeyRing>) {
    match keys.keys().await {
        Ok(keys) => {
            for key in keys.iter().filter(|key| !key.has_usual_length()) {
                tracing::warn!(
                    key = %key.fingerprint(),
                    "the client id of this API key is not 32 characters long; it may be truncated"
                );
            }
        }
        Err(KeyError::Missing) => tracing::warn!("no API key is set: every call will fail with AUTH_MISSING"),
        Err(error) => tracing::warn!(error = error.in_full(), "API key unusable"),
    }
}
