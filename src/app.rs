//! Puts the parts together as the settings say.

use std::{io, sync::Arc};

use scope3_mcp_gateway::{
    AnswerMemory, Api, BaseUrl, BaseUrlError, Caller, Environment, Gateway, KeyOwner, Parts, Patience,
    Profile, Target,
    catalog::{Catalog, Surface},
    credentials::{ApiKey, KeyError, KeyRing},
};
use scope3_mcp_sandbox::{Options, Sandbox};

use crate::{
    config::{ConfigError, Settings},
    mcp::{Keys, Server},
};

/// The parts that every command works with.
#[derive(Debug)]
pub struct App {
    /// The way of every call.
    pub gateway: Arc<Gateway>,
    /// The server's own keys.
    pub keys: Arc<KeyRing>,
    // Runs as long as the app does.
    sandbox: Option<Sandbox>,
}

/// The parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The sandbox does not start.
    #[error("the sandbox cannot start: {0}")]
    Sandbox(#[source] io::Error),
    /// The sandbox says a URL that is none.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
    /// A surface has no URL in this environment.
    #[error("{name}: Scope3 publishes no staging address for the API `{surface}`; name one with --api-url")]
    NoBase {
        /// The setting of the environment, as the user gave it.
        name: String,
        /// The surface.
        surface: Surface,
    },
}

impl StartError {
    /// Whether the one who started the program can put it right by other settings.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Config(_) | Self::NoBase { .. })
    }
}

impl App {
    /// Starts what the settings ask for.
    ///
    /// # Errors
    /// When a setting is wrong or the sandbox cannot start.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let catalog = Catalog::embedded();
        let policy = settings.policy(&catalog)?;
        let own_keys = settings.key_ring()?;
        let (sandbox, keys) = if settings.sandbox {
            let sandbox = Sandbox::start(Options::default(), catalog.clone()).await;
            // The operator's key stays unused: it is for Scope3 alone.
            (Some(sandbox.map_err(StartError::Sandbox)?), sandbox_keys())
        } else {
            (None, own_keys)
        };
        let target = match settings.environment.into() {
            _ if sandbox.is_some() => Target::Sandbox,
            Environment::Production => Target::Production,
            Environment::Staging => Target::Staging,
        };
        let memory = AnswerMemory::new(settings.response_memory.get() as usize * 1024 * 1024);
        let mut apis = Vec::new();
        for &surface in &settings.api {
            let profile = Profile::of(surface).ok_or_else(|| no_base(settings, surface))?;
            let base = base_url(settings, sandbox.as_ref(), profile)?;
            tracing::info!(api = %base, surface = surface.as_str(), sandbox = sandbox.is_some(), "starting");
            let quotas = settings.quotas(profile);
            apis.push(Api::new(profile, base, Patience::default(), memory.clone(), quotas));
        }
        let gateway = Gateway::new(Parts {
            catalog,
            policy,
            surfaces: apis.into_iter().collect(),
            on_limit: settings.when_full(),
            unproven_per_minute: settings.unproven_per_minute,
            target,
        });
        Ok(Self { gateway: Arc::new(gateway), keys: Arc::new(keys), sandbox })
    }

    /// The one who starts the program, with the server's own keys.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            keys: Arc::clone(&self.keys),
            key_owner: KeyOwner::Server,
            traceparent: None,
            client: None,
            place: None,
        }
    }

    /// An MCP server that uses the server's own keys.
    #[must_use]
    pub fn server(&self) -> Server {
        if self.sandbox.is_none() {
            // In its own time: a command that prints the key may take longer than a client waits for the start.
            tokio::spawn(warn_about(Arc::clone(&self.keys)));
        }
        Server::new(Arc::clone(&self.gateway), Keys::Own(Arc::clone(&self.keys)))
    }
}

/// Where a surface is: in the sandbox, where the operator says, or where Scope3 publishes it.
fn base_url(
    settings: &Settings,
    sandbox: Option<&Sandbox>,
    profile: &'static Profile,
) -> Result<BaseUrl, StartError> {
    if let Some(sandbox) = sandbox {
        return Ok(sandbox.url().parse()?);
    }
    if let Some(url) = &settings.api_url {
        return Ok(url.clone());
    }
    let published = profile.base_url(settings.environment.into());
    let published = published.ok_or_else(|| no_base(settings, profile.surface))?;
    Ok(published.parse()?)
}

fn no_base(settings: &Settings, surface: Surface) -> StartError {
    StartError::NoBase { name: settings.name_of("environment"), surface }
}

/// The keys of the sandbox's customers: the first, with the second in no way a backup of it.
fn sandbox_keys() -> KeyRing {
    let [first, _] = Sandbox::keys();
    ApiKey::parse(&first.into()).map_or_else(|_| KeyRing::empty(), KeyRing::of)
}

/// Says at the start what every call would say later.
async fn warn_about(keys: Arc<KeyRing>) {
    match keys.keys().await {
        Ok(keys) => {
            for key in keys.iter().filter(|key| !key.has_usual_length()) {
                tracing::warn!(
                    key = %key.fingerprint(),
                    "the client id of this API key has not the usual 32 characters; it may have been cut"
                );
            }
        }
        Err(KeyError::Missing) => tracing::warn!("no API key is set: every call will answer AUTH_MISSING"),
        Err(error) => tracing::warn!(error = error.in_full(), "there is no usable API key"),
    }
}
