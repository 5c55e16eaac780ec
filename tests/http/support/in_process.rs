//! A server in the process of the test, for options that are not settings, such as deadlines.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Parser;
use reqwest::header::HeaderMap;
use scope3_mcp::{
    app::App,
    config::Settings,
    transport::http::{Allowlist, Auth, CallLimits, Deadlines, HttpOptions, SessionLimits, serve},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Mcp;

/// The short deadlines of [`shorten_deadlines`]. The one for idle connections is long, so that it does not close a
/// connection before another deadline does.
pub const SHORT: Duration = Duration::from_millis(500);

/// A server in this process. It ends with the test's runtime.
pub struct InProcess {
    pub address: SocketAddr,
    pub stop: CancellationToken,
}

impl InProcess {
    /// A server with the sandbox.
    pub async fn sandbox(adjust: impl FnOnce(&mut HttpOptions)) -> Self {
        Self::start(&["--sandbox"], adjust).await
    }

    /// A server whose upstream is `url`. Callers send their own keys.
    pub async fn before(url: &str, adjust: impl FnOnce(&mut HttpOptions)) -> Self {
        let with_keys = |options: &mut HttpOptions| {
            options.auth = Auth::Key;
            adjust(options);
        };
        Self::start(&["--api", "campaign", "--api-url", url], with_keys).await
    }

    async fn start(arguments: &[&str], adjust: impl FnOnce(&mut HttpOptions)) -> Self {
        #[derive(Parser)]
        struct Arguments {
            #[command(flatten)]
            settings: Settings,
        }
        let arguments = std::iter::once("scope3-mcp").chain(arguments.iter().copied());
        let Arguments { settings } = Arguments::parse_from(arguments);
        let app = App::start(&settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = HttpOptions {
            auth: Auth::None,
            metrics_token: None,
            allowlist: Allowlist::new(vec![], vec![], address),
            sessions: SessionLimits { sessions: 10, sessions_per_key: 10, idle: Duration::from_mins(1) },
            calls: CallLimits { total: 4, per_key: 4 },
            max_connections: 100,
            max_request_bytes: 64 * 1024 * 1024,
            deadlines: Deadlines::default(),
            state_kind: settings.state_location().kind(),
        };
        adjust(&mut options);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let (gateway, keys) = (Arc::clone(&app.gateway), Arc::clone(&app.keys));
            serve(listener, gateway, keys, |keys| app.server(keys), options, stopped).await
        });
        Self { address, stop }
    }

    pub fn client(&self) -> Mcp {
        let url = format!("http://{}", self.address);
        Mcp { http: reqwest::Client::new(), url, headers: HeaderMap::new() }
    }
}

/// Shortens all deadlines except the one for idle connections.
pub fn shorten_deadlines(options: &mut HttpOptions) {
    options.deadlines = Deadlines {
        head: SHORT,
        body: SHORT,
        idle: 40 * SHORT,
        write: SHORT,
        keep_alive: SHORT,
        end: 4 * SHORT,
    };
}
