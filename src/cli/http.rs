//! `scope3-mcp http`: MCP over HTTP.

mod announcement;
mod rotation;

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use anyhow::Context;
use scope3_mcp_gateway::redaction::secrets;
use secrecy::SecretString;
use tokio::net::TcpListener;
use url::Url;

use self::announcement::{Access, ServerAddress};
use super::{CommandError, until_signaled};
use crate::{
    app::{App, StartError},
    config::{AuthChoice, Settings},
    transport::http::{
        self, Allowlist, Auth, CallLimits, Deadlines, Host, HttpOptions, SessionLimits, Token,
    },
};

/// The default address to listen on.
pub(super) const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub(super) async fn run(settings: &Settings) -> Result<(), CommandError> {
    let (stop, hangup) = (until_signaled()?, rotation::Hangup::new());
    let bind = settings.bind.unwrap_or(DEFAULT_ADDRESS);
    let (mut hosts, origins): (Vec<Host>, _) = (
        list(&settings.name_of("allow_host"), &settings.allow_host)?,
        list(&settings.name_of("allow_origin"), &settings.allow_origin)?,
    );
    if let Some(name) = settings.public_url.as_ref().and_then(Url::host_str) {
        let setting = settings.name_of("public_url");
        hosts.push(name.parse().map_err(|error| CommandError::Usage(format!("{setting}: {error}")))?);
    }
    // A host name that is not local implies a proxy. Behind it, every request seems to come from this machine.
    let local = bind.ip().to_canonical().is_loopback() && hosts.iter().all(Host::is_loopback);
    let token = settings.mcp_token().map_err(StartError::from)?;
    let choice = choose(settings, local, token.is_some())?;
    let (auth, generated_token) = auth(choice, token.as_ref())?;
    let app = App::start(settings).await?;
    let listener = TcpListener::bind(bind).await.with_context(|| format!("cannot listen on {bind}"))?;
    let bound = listener.local_addr()?;
    let address = ServerAddress::new(settings.public_url.as_ref(), &hosts, bound);
    let has_key = !settings.sandbox && settings.has_own_key();
    let access = Access { choice, is_local: local, generated_token: generated_token.as_ref(), has_key };
    announcement::announce(&address, &access, settings.log_format);
    // A generated token is shown once, to the operator.
    if let Some(token) = &generated_token {
        secrets().add_token(token);
    }
    let allowlist = Allowlist::new(hosts, origins, bound);
    let sessions = SessionLimits {
        sessions: settings.max_sessions.get() as usize,
        sessions_per_key: settings.max_sessions_per_key.get() as usize,
        idle: settings.session_idle,
    };
    let metrics_token = match &auth {
        Auth::Token(token) => Some(token.clone()),
        Auth::Key | Auth::None => token.as_ref().map(Token::new),
    };
    let followed = rotation::follow(hangup, settings.clone(), Arc::clone(&app.keys), metrics_token.clone());
    let following = tokio::spawn(followed);
    let options = HttpOptions {
        auth,
        metrics_token,
        allowlist,
        sessions,
        calls: CallLimits { total: settings.max_calls.get(), per_key: settings.max_calls_per_key.get() },
        max_connections: settings.max_connections.get() as usize,
        max_request_bytes: settings.request_memory as usize * 1024 * 1024,
        deadlines: Deadlines::default(),
        state_kind: settings.state_location().kind(),
    };
    app.follow_documents(settings);
    let (gateway, keys) = (Arc::clone(&app.gateway), Arc::clone(&app.keys));
    let served = http::serve(listener, gateway, keys, |keys| app.server(keys), options, stop).await;
    following.abort();
    Ok(served?)
}

/// Who may connect. The server accepts everyone from other machines only if the operator explicitly allows it.
fn choose(settings: &Settings, local: bool, has_token: bool) -> Result<AuthChoice, CommandError> {
    match settings.auth {
        Some(AuthChoice::None) if !local && !settings.dangerously_allow_unauthenticated => {
            let problem = "none: everyone who can reach this server from another machine could spend money with its key; \
                           choose key or token, or set --dangerously-allow-unauthenticated if a proxy in front of it \
                           authenticates clients";
            Err(CommandError::Usage(format!("{} {problem}", settings.name_of("auth"))))
        }
        Some(choice) => Ok(choice),
        // A configured token implies `--auth token`.
        None if local && has_token => Ok(AuthChoice::Token),
        None if local => Ok(AuthChoice::None),
        None if settings.has_own_key() => Ok(AuthChoice::Token),
        None => Ok(AuthChoice::Key),
    }
}

/// The authentication for a choice, and its token if the token is newly generated.
fn auth(
    choice: AuthChoice,
    token: Option<&SecretString>,
) -> Result<(Auth, Option<SecretString>), CommandError> {
    match (choice, token) {
        (AuthChoice::Key, _) => Ok((Auth::Key, None)),
        (AuthChoice::None, _) => Ok((Auth::None, None)),
        (AuthChoice::Token, Some(token)) => Ok((Auth::Token(Token::new(token)), None)),
        (AuthChoice::Token, None) => {
            let token: SecretString = http::random_token().context("cannot create a token")?.into();
            Ok((Auth::Token(Token::new(&token)), Some(token)))
        }
    }
}

fn list<T: FromStr<Err: Display>>(name: &str, entries: &[String]) -> Result<Vec<T>, CommandError> {
    let parse =
        |entry: &String| entry.parse().map_err(|error| CommandError::Usage(format!("{name}: {error}")));
    entries.iter().filter(|entry| !entry.trim().is_empty()).map(parse).collect()
}
