//! The embedded sandbox: a real HTTP server inside the process that plays Scope3's Campaign API (v1), so that
//! everything can be tried and tested without an account.
//!
//! It knows the catalogue and rates, and nothing else of this crate: whoever talks to it does so over HTTP, with
//! the code that ships. What it answers follows the public repository `scope3data/activation-api` and the OpenAPI
//! document published there. Where its tool descriptions promise what its code does not do, the sandbox keeps the
//! promise, unless it is started to play the code as published (`handlers::published`).
//!
//! The way of a request: `server` waits, orders a fault, checks the key (`customers`) and the rate (`window`),
//! reads the arguments (`input`) and hands them to one of the `handlers`, which sees a single customer's part of
//! the `store`. Ids are made up in a fixed order, and times come from one `clock`: where that was set to an instant,
//! the same requests get the same answers.

mod answers;
mod brief;
mod clock;
mod customers;
mod fault;
mod handlers;
mod ids;
mod input;
mod objects;
mod places;
mod seed;
mod server;
mod store;
mod window;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use scope3_mcp_catalog::{Catalog, rate::Rate};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::fault::{Fault, FaultError};

/// How a sandbox behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens. Port 0, the default, is any free one of this machine.
    pub bind: SocketAddr,
    /// How long it waits before each answer.
    pub latency: Duration,
    /// What goes wrong, and how often.
    pub faults: Vec<Fault>,
    /// How many requests each key may make; without it there is no limit.
    pub rate_limit: Option<Rate>,
    /// Where its clock stands, to go on by a second with each change; without it the clock tells the true time. What
    /// is there at the start lies around this day: campaigns run, and have delivered until the day before.
    pub now: Option<Timestamp>,
    /// Whether it does what Scope3's published code does, where that falls short of Scope3's documents.
    pub as_published: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            latency: Duration::ZERO,
            faults: Vec::new(),
            rate_limit: None,
            now: None,
            as_published: false,
        }
    }
}

/// A running sandbox. It stops when dropped.
#[derive(Debug)]
pub struct Sandbox {
    url: String,
    task: JoinHandle<io::Result<()>>,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox with its state as it is at each start.
    ///
    /// # Errors
    /// When it cannot listen at the address.
    pub async fn start(options: Options, catalog: Catalog) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let url = format!("http://{}{}", listener.local_addr()?, server::ROOT);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = server::router(&options, catalog);
        let task =
            tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Ok(Self { url, task, stop: stop.drop_guard() })
    }

    /// The base URL of the API, such as `http://127.0.0.1:8123/rest/v1`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The keys that it accepts, one of each of its two customers. They open nothing else.
    #[must_use]
    pub fn keys() -> [&'static str; 2] {
        customers::CUSTOMERS.map(|customer| customer.key)
    }

    /// Stops listening and waits until what has begun is answered.
    ///
    /// # Errors
    /// When the server broke before.
    pub async fn shutdown(self) -> io::Result<()> {
        drop(self.stop);
        self.task.await?
    }
}
