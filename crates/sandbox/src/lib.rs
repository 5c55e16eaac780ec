//! The sandbox: a simulator of Scope3's APIs, so that everything can be tried and tested without an account. It is a real
//! HTTP server inside the process, so clients reach it with the code that ships. It serves the Campaign API (v1) and the
//! Interchange (v2), each at its published paths and with its own data.
//!
//! The Interchange is in `v2`. Its two customers are buyers, and each also runs a storefront that reviews orders, so what one
//! buys, the other approves. Products, orders and reports of both sides belong together.
//!
//! The rest of this page is about v1. Responses of v1 follow Scope3's public repository `scope3data/activation-api` and the
//! OpenAPI document published there. In some places the tool descriptions in that repository promise more than its code does. There the sandbox keeps
//! the promise, unless it starts with [`Options::as_published`].
//!
//! # A request
//!
//! 1. `server` waits for the configured latency and sends a fault if one is due.
//! 2. `customers` finds the customer by the key, and `rate_limit` counts the request.
//! 3. `input` checks the arguments against the tool's schema in the catalog.
//! 4. `world` picks the customer's account and passes it to a handler as a `Call`. A handler cannot reach the account
//!    of another customer.
//! 5. The handler in `handlers` reads or changes the account and returns a `response`.
//!
//! Ids come from a seeded generator and times from one clock. With [`Options::now`] set, the same requests get the
//! same responses.
//!
//! # Layers
//!
//! A module uses only modules in the rows below its own. A test reads this table and checks every `use`.
//!
//! | modules | purpose |
//! |---|---|
//! | `server` | HTTP: routes, latency, faults, keys, rate limit, arguments |
//! | `v2` | the Interchange: its operations, accounts and responses |
//! | `world` | the accounts of all customers, and the market that they share |
//! | `handlers`, `seed` | what each operation does; the data at the start |
//! | `call` | one request as a handler sees it |
//! | `store` | the account of one customer |
//! | `objects`, `brief`, `fault`, `input` | campaigns, creatives and so on; the score of a brief; faults; arguments |
//! | `response`, `ids`, `places` | response envelopes; ids; place names in briefs |
//! | `clock`, `customers`, `rate_limit` | the time; keys; the rate limit |
//!
//! To add an operation: describe it in the catalog, then add its handler to the file of its toolset in `handlers`.

mod brief;
mod call;
mod clock;
mod customers;
mod fault;
mod handlers;
mod ids;
mod input;
#[cfg(test)]
mod layers;
mod objects;
mod places;
mod rate_limit;
mod response;
mod seed;
mod server;
mod store;
mod v2;
mod world;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use scope3_mcp_catalog::{Catalog, Surface, rate::Rate};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::fault::{Fault, FaultError};

/// How the sandbox behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on. The default is a free port on the loopback interface.
    pub bind: SocketAddr,
    /// The delay before each response.
    pub latency: Duration,
    /// The faults to simulate, and how often each happens.
    pub faults: Vec<Fault>,
    /// The rate limit of each key. `None` means no limit.
    pub rate_limit: Option<Rate>,
    /// The time of the sandbox's clock, which then advances by one second with each change. `None` means the system
    /// time. The data at the start is relative to this day: campaigns are running and have delivered until the day
    /// before.
    pub now: Option<Timestamp>,
    /// Whether to behave like Scope3's published code where that does less than Scope3's documentation promises.
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
    origin: String,
    url: String,
    task: JoinHandle<io::Result<()>>,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox with its initial data.
    ///
    /// # Errors
    /// Returns an error if it cannot listen on the address.
    pub async fn start(options: Options, catalog: Catalog) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let url = format!("{origin}{}", server::ROOT);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = server::router(&options, catalog);
        let task =
            tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Ok(Self { origin, url, task, stop: stop.drop_guard() })
    }

    /// The base URL of the Campaign API, such as `http://127.0.0.1:8123/rest/v1`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of a surface, such as `http://127.0.0.1:8123/api/v2/buyer`. `None` for the tools that this program
    /// answers itself.
    #[must_use]
    pub fn url_of(&self, surface: Surface) -> Option<String> {
        match surface {
            Surface::Campaign => Some(self.url.clone()),
            _ => v2::root(surface).map(|root| format!("{}{root}", self.origin)),
        }
    }

    /// The keys that the sandbox accepts, one for each of its two customers. No other service accepts them.
    #[must_use]
    pub fn keys() -> [&'static str; 2] {
        customers::CUSTOMERS.map(|customer| customer.key)
    }

    /// A key of the Interchange whose user sees both customers, as in a holding company. A change with it has to name a
    /// customer in the header `x-scope3-customer-id`.
    #[must_use]
    pub fn holding_key() -> &'static str {
        customers::HOLDING_KEY
    }

    /// Stops listening and waits until the requests in progress are answered.
    ///
    /// # Errors
    /// Returns an error if the server had already failed.
    pub async fn shutdown(self) -> io::Result<()> {
        drop(self.stop);
        self.task.await?
    }
}
