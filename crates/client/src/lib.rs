//! The API client: one request, and one response or one error that keeps its cause.
//!
//! It has no retries, waits, limits or choice of keys; `crates/gateway` decides all of these.

mod base;
pub mod credentials;
pub mod deadlines;
mod dialect;
mod error;
pub mod instruments;
mod json;
mod memory;
mod quota;
mod request;
mod surface;
mod waits;

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use reqwest::multipart::Form;
use serde_json::{Map, Value};

use self::credentials::ApiKey;
pub use self::error::{default_code, root_cause};
pub use self::{
    base::{BaseUrl, BaseUrlError, Environment},
    dialect::Dialect,
    error::{Error, Refusal},
    memory::{MemoryHolder, MemoryPermit, ResponseMemory},
    quota::{Class, Counts, Quota},
    request::PreparedRequest,
    surface::{KeyHeader, Profile},
};
use self::{
    dialect::{Payload, RawResponse},
    waits::Waits,
};

/// The header that marks responses of the embedded sandbox.
pub const SANDBOX_HEADER: &str = "x-scope3-sandbox";

/// Timeouts and the size limit of a client.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// Timeout for opening a connection.
    pub connect: Duration,
    /// Timeout between two parts of a response.
    pub read: Duration,
    /// Timeout for a whole attempt.
    pub total: Duration,
    /// Maximum size of a response body in bytes, after decompression.
    pub most_bytes: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect: deadlines::CONNECT,
            read: deadlines::READ,
            total: deadlines::ATTEMPT,
            most_bytes: 16 * 1024 * 1024,
        }
    }
}

/// A client for one surface.
pub struct Client {
    profile: &'static Profile,
    base: BaseUrl,
    config: ClientConfig,
    memory: ResponseMemory,
    // Created when first used: reading the system's certificates takes longer than the rest of a start.
    http: OnceLock<reqwest::Client>,
    contact: Mutex<LastContact>,
}

/// The last contact with a surface.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastContact {
    /// When the surface last responded, with any status.
    pub answered_at: Option<Instant>,
    /// When the last connection failed, and how many failed in a row. Late responses do not count.
    pub failed_at: Option<Instant>,
    /// How many connections failed since the last response.
    pub failures: u32,
}

/// The content of a response.
#[derive(Debug)]
pub struct Answer {
    /// The data, without the envelope.
    pub data: Map<String, Value>,
    /// What failed in part, in the words of Scope3.
    pub partial: Option<String>,
    /// What was replaced in order to parse it, in words.
    pub replaced: Option<String>,
    /// Whether it came from the sandbox.
    pub sandbox: bool,
    /// How long Scope3 asks the key to wait after this response, if it used up a limit.
    pub pause: Option<Duration>,
    /// The memory reserved for it.
    pub memory: MemoryPermit,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the surface of a profile at `base`. It opens no connection yet.
    #[must_use]
    pub fn new(
        profile: &'static Profile,
        base: BaseUrl,
        config: ClientConfig,
        memory: ResponseMemory,
    ) -> Self {
        Self { profile, base, config, memory, http: OnceLock::new(), contact: Mutex::default() }
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The last contact with the surface.
    #[must_use]
    pub fn last_contact(&self) -> LastContact {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request once, with one key.
    ///
    /// # Errors
    /// When the request fails or the response has no data.
    pub async fn attempt(&self, request: &PreparedRequest, key: &ApiKey) -> Result<Answer, Error> {
        let (name, value) = self.profile.key_header.with(key);
        let outgoing = self.http()?.request(request.method.clone(), request.url.clone());
        let mut outgoing = outgoing.headers(request.headers.clone()).header(name, value);
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        } else if !request.parts.is_empty() {
            let parts = request.parts.iter().cloned();
            outgoing =
                outgoing.multipart(parts.fold(Form::new(), |form, (name, text)| form.text(name, text)));
        }
        let sent = Instant::now();
        let outcome = outgoing.send().await.map_err(Error::from_transport);
        self.observe(&outcome, sent);
        let mut response = outcome?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let waits = Waits::of(&headers, Timestamp::now());
        let (body, memory) = self.read(status, response).await?;
        let raw = RawResponse { status, content_type: content_type(&headers), waits, body };
        let Payload { data, partial, replaced } = self.profile.dialect.open(raw)?;
        let (sandbox, pause) = (headers.contains_key(SANDBOX_HEADER), waits.after_the_last());
        Ok(Answer { data, partial, replaced, sandbox, pause, memory })
    }

    /// Reads a body up to the size limit, which applies after decompression.
    async fn read(
        &self,
        status: u16,
        mut response: reqwest::Response,
    ) -> Result<(Vec<u8>, MemoryPermit), Error> {
        let cap = self.config.most_bytes;
        let mut memory = MemoryPermit::default();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Error::from_transport)? {
            if body.len() + chunk.len() > cap {
                return Err(Error::Unreadable { status, why: format!("it is longer than {cap} bytes") });
            }
            self.memory.cover(&mut memory, body.len() + chunk.len(), cap).await;
            body.extend_from_slice(&chunk);
        }
        memory.shrink_to(body.len());
        Ok((body, memory))
    }

    fn observe(&self, outcome: &Result<reqwest::Response, Error>, since: Instant) {
        let status = match outcome {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) => error.measured().to_owned(),
        };
        instruments::upstream(status, since.elapsed());
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => *contact = LastContact { answered_at: Some(Instant::now()), ..LastContact::default() },
            Err(Error::NotConnected(_)) => {
                contact.failures = contact.failures.saturating_add(1);
                contact.failed_at = Some(Instant::now());
            }
            Err(_) => {}
        }
    }

    fn http(&self) -> Result<&reqwest::Client, Error> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let ClientConfig { connect, read, total, .. } = self.config;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("scope3-mcp/", env!("CARGO_PKG_VERSION")))
            // reqwest keeps custom headers, and with them the key, when a redirect leads to another host.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .read_timeout(read)
            .timeout(total)
            .tcp_nodelay(true);
        // Requests to this machine are not encrypted, so they must not go through a proxy.
        builder = if self.base.is_loopback() { builder.no_proxy() } else { builder.https_only(true) };
        let client = builder.build().map_err(Error::from_transport)?;
        Ok(self.http.get_or_init(|| client))
    }
}

fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::to_str)
        .and_then(Result::ok)
        .unwrap_or_default()
        .to_owned()
}
