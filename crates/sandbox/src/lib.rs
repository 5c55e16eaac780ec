//! The sandbox: Scope3's Campaign API (v1), simulated by a real HTTP server inside the process, so that everything can be
//! tried and tested without an account.
//!
//! It uses the catalog and nothing else of this project: clients reach it over HTTP, with the code that ships. Its
//! responses follow the public repository `scope3data/activation-api` and the OpenAPI document published there. Where the
//! tool descriptions in that repository promise more than its code does, the sandbox keeps the promise, unless it is
//! started with `as_published` (see `handlers::published`).
//!
//! # Layers
//!
//! A module uses only the modules below it.
//!
//! | modules | what they do |
//! |---|---|
//! | `server` | takes a request: delay, fault, key, rate, arguments, then the handler |
//! | `world`, `handlers` | all accounts and their data at the start; what each operation does |
//! | `seed`, `call` | the data at the start; one call, as a handler sees it |
//! | `store` | the account of one customer |
//! | `objects`, `input`, `brief`, `places` | campaigns, creatives and so on; arguments; texts and places |
//! | `answers`, `customers`, `fault`, `ids`, `window` | envelopes; keys; faults; ids; the rate limit |
//! | `clock` | the time, which can be set |
//!
//! Ids are made in a fixed order, and all times come from one clock: with a set clock, the same requests get the same
//! responses.

mod answers;
mod brief;
mod call;
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
mod world;

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
