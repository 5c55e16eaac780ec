//! The API client: sends one request and returns one response, or one error with its cause.
//!
//! It does not retry, wait, limit requests or choose keys: `crates/gateway` does all of that.

mod base;
pub mod credentials;
pub mod deadlines;
mod dialect;
mod error;
mod file;
pub mod instruments;
mod json;
mod memory;
mod quota;
pub mod redaction;
mod request;
pub mod sanitize;
mod signed;
mod surface;
mod waits;

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value};

use self::credentials::ApiKey;
pub use self::error::{default_code, root_cause};
pub use self::{
    base::{BaseUrl, BaseUrlError, Environment},
    dialect::Dialect,
    error::{Error, Refusal},
    file::{FileContent, Files, extension_of},
    memory::{MemoryHolder, MemoryPermit, ResponseMemory},
    quota::{Class, Counts, Quota},
    request::PreparedRequest,
    signed::SignedUploadError,
    surface::{KeyHeader, Profile},
};
use self::{
    dialect::{Payload, RawResponse},
    redaction::Redactor,
    request::FormPart,
    sanitize::Sanitizer,
    waits::Waits,
};

/// The header with which the embedded sandbox marks its responses.
pub const SANDBOX_HEADER: &str = "x-scope3-sandbox";

/// The limits of the client, and the customer it works for.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// The time limit for opening a connection.
    pub connect: Duration,
    /// The time limit for each wait for more bytes of a response.
    pub read: Duration,
    /// The time limit for the whole request.
    pub total: Duration,
    /// The maximum size of a response, in bytes after decompression.
    pub most_bytes: usize,
    /// The customer that requests name, where the surface has a header for it.
    pub customer: Option<u64>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect: deadlines::CONNECT,
            read: deadlines::READ,
            total: deadlines::ATTEMPT,
            most_bytes: 16 * 1024 * 1024,
            customer: None,
        }
    }
}

/// The client of one surface.
pub struct Client {
    profile: &'static Profile,
    base: BaseUrl,
    config: ClientConfig,
    memory: ResponseMemory,
    // Built on first use: it reads the system's certificates, which takes longer than the rest of the startup.
    http: OnceLock<reqwest::Client>,
    contact: Mutex<LastContact>,
}

/// The outcome of the latest requests to a surface.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastContact {
    /// When the surface last responded, with any status.
    pub answered_at: Option<Instant>,
    /// When the last connection attempt failed. A response that is late does not count.
    pub failed_at: Option<Instant>,
    /// The number of connection attempts that failed since the last response.
    pub failures: u32,
}

/// A successful response from Scope3.
#[derive(Debug)]
pub struct ApiResponse {
    /// The data, without the envelope.
    pub data: Map<String, Value>,
    /// The error that Scope3 reports for a part of the operation.
    pub partial: Option<String>,
    /// A description of what had to be replaced to parse the response.
    pub replaced: Option<String>,
    /// How many characters of the response were replaced by a visible notation.
    pub neutralized: usize,
    /// Whether the response comes from the sandbox.
    pub sandbox: bool,
    /// Whether Scope3 has only accepted the work, with status 202, and goes on with it.
    pub accepted: bool,
    /// How long to pause requests with this key, if this response used up a limit.
    pub pause: Option<Duration>,
    /// The memory that is reserved for the response.
    pub memory: MemoryPermit,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client for the surface of a profile at `base`. Does not open a connection.
    #[must_use]
    pub fn new(
        profile: &'static Profile,
        base: BaseUrl,
        config: ClientConfig,
        memory: ResponseMemory,
    ) -> Self {
        let base = base.of(profile.published_path());
        Self { profile, base, config, memory, http: OnceLock::new(), contact: Mutex::default() }
    }

    /// The base URL of all requests.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The customer that requests name, with the name of the header.
    #[must_use]
    pub fn customer(&self) -> Option<(&'static str, u64)> {
        Some((self.profile.customer_header?, self.config.customer?))
    }

    /// The outcome of the latest requests to the surface.
    #[must_use]
    pub fn last_contact(&self) -> LastContact {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request once, with one key.
    ///
    /// # Errors
    /// When Scope3 returns no data.
    pub async fn attempt(&self, request: &PreparedRequest, key: &ApiKey) -> Result<ApiResponse, Error> {
        let (name, value) = self.profile.key_header.with(key);
        let outgoing = self.http()?.request(request.method.clone(), request.url.clone());
        let mut outgoing = outgoing.headers(request.headers.clone()).header(name, value);
        if let Some((header, customer)) = self.customer() {
            outgoing = outgoing.header(header, customer);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        } else if !request.parts.is_empty() {
            outgoing = outgoing.multipart(form(&request.parts)?);
        }
        let sent = Instant::now();
        let outcome = outgoing.send().await.map_err(Error::from_transport);
        self.observe(&outcome, sent);
        let mut response = outcome?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let waits = Waits::of(&headers, Timestamp::now());
        let (mut body, memory) = self.read(status, response).await?;
        let redactor = Redactor::with([key]);
        // Before anything is cut off or decoded, and again after escapes were decoded.
        redactor.redact_bytes(&mut body);
        let mut sanitizer = Sanitizer::new(redactor);
        let raw = RawResponse { status, content_type: content_type(&headers), waits, body };
        let opened = self.profile.dialect.open(raw).map_err(|error| error.sanitized(&mut sanitizer))?;
        let Payload { mut data, mut partial, replaced } = opened;
        sanitizer.members(&mut data);
        if let Some(partial) = &mut partial {
            sanitizer.text(partial);
        }
        let neutralized = sanitizer.neutralized;
        let (sandbox, pause) = (headers.contains_key(SANDBOX_HEADER), waits.until_reset());
        let accepted = status == 202;
        Ok(ApiResponse { data, partial, replaced, neutralized, sandbox, accepted, pause, memory })
    }

    /// Reads a body up to the size limit, which counts bytes after decompression.
    async fn read(
        &self,
        status: u16,
        mut response: reqwest::Response,
    ) -> Result<(Vec<u8>, MemoryPermit), Error> {
        let max_bytes = self.config.most_bytes;
        let mut memory = MemoryPermit::default();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Error::from_transport)? {
            if body.len() + chunk.len() > max_bytes {
                return Err(Error::Unreadable {
                    status,
                    why: format!("it is longer than {max_bytes} bytes"),
                });
            }
            self.memory.cover(&mut memory, body.len() + chunk.len(), max_bytes).await;
            body.extend_from_slice(&chunk);
        }
        memory.shrink_to(body.len());
        Ok((body, memory))
    }

    fn observe(&self, outcome: &Result<reqwest::Response, Error>, since: Instant) {
        let status = match outcome {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) => error.metric_status().to_owned(),
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
            // When a redirect leads to another host, reqwest still sends custom headers, and so the key.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .read_timeout(read)
            .timeout(total)
            .tcp_nodelay(true);
        // Requests to this machine may be unencrypted, so they must not go through a proxy.
        builder = if self.base.is_loopback() { builder.no_proxy() } else { builder.https_only(true) };
        let client = builder.build().map_err(Error::from_transport)?;
        Ok(self.http.get_or_init(|| client))
    }
}

/// The parts of a request as a form. The content of files is shared, not copied.
fn form(parts: &[(String, FormPart)]) -> Result<Form, Error> {
    // File names go out as they are, as browsers send them; `FileContent` has made them safe.
    parts.iter().try_fold(Form::new().percent_encode_noop(), |form, (name, part)| {
        let name = name.clone();
        Ok(match part {
            FormPart::Text(text) => form.text(name, text.clone()),
            FormPart::File(file) => {
                let part = Part::stream(file.content().clone()).file_name(file.name().to_owned());
                form.part(name, part.mime_str(file.content_type()).map_err(Error::from_transport)?)
            }
        })
    })
}

fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::to_str)
        .and_then(Result::ok)
        .unwrap_or_default()
        .to_owned()
}
