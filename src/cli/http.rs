//! `scope3-mcp http`: MCP over HTTP.

use std::{
    fmt::Display,
    io::Write,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::net::TcpListener;

use super::{CommandError, until_asked_to_end};
use crate::{
    app::App,
    config::{AuthChoice, Settings},
    transport::http::{self, Auth, CallLimits, Caps, Deadlines, Host, Hosts, Options, Token},
};

/// Where it listens when nothing is said.
pub(super) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub(super) async fn run(settings: &Settings) -> Result<(), CommandError> {
    let stop = until_asked_to_end()?;
    let bind = settings.bind.unwrap_or(DEFAULT);
    let (hosts, origins): (Vec<Host>, _) = (
        list(&settings.name_of("allow_host"), &settings.allow_host)?,
        list(&settings.name_of("allow_origin"), &settings.allow_origin)?,
    );
    // A name from elsewhere means a proxy, behind which everybody seems to come from this machine.
    let local = bind.ip().to_canonical().is_loopback() && hosts.iter().all(Host::is_loopback);
    let choice = choose(settings, local)?;
    let (auth, made) = auth(settings, choice)?;
    let app = App::start(settings).await?;
    let listener = TcpListener::bind(bind).await.with_context(|| format!("cannot listen at {bind}"))?;
    let bound = listener.local_addr()?;
    tell(&url(hosts.first(), bound), choice, local, made.as_ref());
    let hosts = Hosts::new(hosts, origins, bound);
    let caps = Caps {
        sessions: settings.max_sessions.get() as usize,
        sessions_per_key: settings.max_sessions_per_key.get() as usize,
        idle: settings.session_idle,
    };
    let metrics_token = match &auth {
        Auth::Token(token) => Some(token.clone()),
        Auth::Key | Auth::None => settings.mcp_token().as_ref().map(Token::new),
    };
    let options = Options {
        auth,
        metrics_token,
        hosts,
        caps,
        calls: CallLimits { total: settings.max_calls.get(), per_key: settings.max_calls_per_key.get() },
        max_connections: settings.max_connections.get() as usize,
        max_request_bytes: settings.request_memory as usize * 1024 * 1024,
        deadlines: Deadlines::default(),
    };
    http::serve(listener, &app, options, stop).await?;
    Ok(())
}

/// Who may come in. Open to more than this machine, the server is only on an explicit word.
fn choose(settings: &Settings, local: bool) -> Result<AuthChoice, CommandError> {
    match settings.auth {
        Some(AuthChoice::None) if !local && !settings.dangerously_allow_unauthenticated => {
            let problem = "none: whoever reaches this server from elsewhere could spend with its key; choose key or token, \
                           or say --dangerously-allow-unauthenticated if something in front of it lets nobody else \
                           through";
            Err(CommandError::Usage(format!("{} {problem}", settings.name_of("auth"))))
        }
        Some(choice) => Ok(choice),
        // Who sets a token wants it asked for.
        None if local && settings.mcp_token().is_some() => Ok(AuthChoice::Token),
        None if local => Ok(AuthChoice::None),
        None if settings.has_own_key() => Ok(AuthChoice::Token),
        None => Ok(AuthChoice::Key),
    }
}

/// The choice made ready, with the token where one had to be made.
fn auth(settings: &Settings, choice: AuthChoice) -> Result<(Auth, Option<SecretString>), CommandError> {
    match (choice, settings.mcp_token()) {
        (AuthChoice::Key, _) => Ok((Auth::Key, None)),
        (AuthChoice::None, _) => Ok((Auth::None, None)),
        (AuthChoice::Token, Some(token)) => Ok((Auth::Token(Token::new(&token)), None)),
        (AuthChoice::Token, None) => {
            let token: SecretString = http::token().context("no token can be made")?.into();
            Ok((Auth::Token(Token::new(&token)), Some(token)))
        }
    }
}

/// Says where the server listens and how to come in. It goes past the log, whose level may be set to say nothing.
fn tell(url: &str, choice: AuthChoice, local: bool, made: Option<&SecretString>) {
    let who = match choice {
        AuthChoice::Key => "key",
        AuthChoice::Token => "token",
        AuthChoice::None => "none",
    };
    let mut text = format!("scope3-mcp: listening on {url} (auth: {who})\n");
    if choice == AuthChoice::None && !local {
        text += "warning: this server lets everybody in who reaches it, and all of them act with its key\n";
    }
    if let Some(token) = made {
        let header = format!("Bearer {}", token.expose_secret());
        let server = json!({ "type": "http", "url": url, "headers": { "Authorization": header } });
        let client = json!({ "mcpServers": { "scope3": server } });
        text += "no SCOPE3_MCP_TOKEN is set, so this token holds until the server ends. For clients:\n";
        text += &serde_json::to_string_pretty(&client).unwrap_or_default();
        text.push('\n');
    }
    // Where nobody listens to standard error, nobody is told.
    let _written = std::io::stderr().write_all(text.as_bytes());
}

/// The URL for clients: by a name that the server answers to.
fn url(host: Option<&Host>, bound: SocketAddr) -> String {
    let port = bound.port();
    match host {
        Some(host) if bound.ip().is_unspecified() => format!("http://{}/mcp", host.with_port(port)),
        None if bound.ip().is_unspecified() => format!("http://localhost:{port}/mcp"),
        _ => format!("http://{bound}/mcp"),
    }
}

fn list<T: FromStr<Err: Display>>(name: &str, entries: &[String]) -> Result<Vec<T>, CommandError> {
    let parse =
        |entry: &String| entry.parse().map_err(|error| CommandError::Usage(format!("{name}: {error}")));
    entries.iter().filter(|entry| !entry.trim().is_empty()).map(parse).collect()
}
