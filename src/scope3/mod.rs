//! The API client: it sends a prepared request with a key, repeats reads that failed by chance, and opens answers.
//!
//! It decides nothing about whether a request may leave: [`crate::gateway`] passes a check that runs before each.

mod base;
mod envelope;
mod error;
mod request;

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tower::retry::budget::{Budget, TpsBudget};

pub(crate) use self::error::usual_code;
pub use self::{
    base::{BaseUrl, BaseUrlError, Environment},
    error::{Error, Refusal},
    request::{PathProblem, Prepared},
};
use crate::{
    credentials::{ApiKey, KeyError, KeyRing},
    limits::Full,
    measure,
};

/// The header that carries the key. Unlike `Authorization`, no proxy gives it a meaning of its own.
const KEY_HEADER: &str = "x-scope3-api-key";

/// The header by which the embedded sandbox marks its answers.
pub const SANDBOX_HEADER: &str = "x-scope3-sandbox";

/// How patient the client is, and how much it takes in.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest time to a connection.
    pub connect: Duration,
    /// The longest silence within an answer.
    pub read: Duration,
    /// The longest time for a whole attempt.
    pub total: Duration,
    /// The longest answer, in bytes after decompression.
    pub most_bytes: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_mins(1),
            most_bytes: 16 * 1024 * 1024,
        }
    }
}

/// An attempt and its repetitions are this many at most.
const ATTEMPTS: usize = 3;

/// A pause that Scope3 asks for before a repetition is kept up to this length; beyond, the caller is told.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The client of one surface.
pub struct Client {
    base: BaseUrl,
    patience: Patience,
    // Building it reads the system's certificates, which takes longer than the rest of a start.
    http: OnceLock<reqwest::Client>,
    budget: TpsBudget,
    contact: Mutex<Option<Contact>>,
}

/// The last time that the surface was asked for anything.
#[derive(Debug, Clone, Copy)]
pub struct Contact {
    /// When.
    pub at: Instant,
    /// Whether it answered, with whatever status.
    pub answered: bool,
}

/// What an answer brought.
#[derive(Debug)]
pub struct Answer {
    /// The data, without the envelope.
    pub data: Map<String, Value>,
    /// Whether the sandbox answered.
    pub sandbox: bool,
    /// How long Scope3 wants the key to be still after this, where nothing is left of a limit.
    pub pause: Option<Duration>,
    /// The key that was accepted.
    pub key: ApiKey,
}

/// Why a request brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no key to send.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The check before sending did not let it leave.
    #[error(transparent)]
    Full(#[from] Full),
    /// It left and failed, or could not leave.
    #[error("{error}")]
    Api {
        /// What happened.
        error: Error,
        /// The key it was sent with.
        key: ApiKey,
    },
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the surface at `base`. Nothing is opened yet.
    #[must_use]
    pub fn new(base: BaseUrl, patience: Patience) -> Self {
        // Beside a reserve of one repetition a second, a fifth of the requests may be repeated: a service that is
        // down is not pressed further.
        let budget = TpsBudget::new(Duration::from_secs(10), 1, 0.2);
        Self { base, patience, http: OnceLock::new(), budget, contact: Mutex::default() }
    }

    /// Where it sends to.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The last time that it was asked for anything, if it ever was.
    #[must_use]
    pub fn last_contact(&self) -> Option<Contact> {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, outcome: &Result<reqwest::Response, Error>, since: Instant) {
        let status = match outcome {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) => error.measured().to_owned(),
        };
        measure::upstream(status, since.elapsed());
        let contact = Contact { at: Instant::now(), answered: outcome.is_ok() };
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner) = Some(contact);
    }

    /// Sends a request with the first key that is accepted. `may_leave` is asked before every single HTTP request;
    /// `repeatable` tells that sending it twice harms nothing.
    ///
    /// # Errors
    /// When there is no key, `may_leave` says no, or no data comes.
    pub async fn send(
        &self,
        request: &Prepared,
        repeatable: bool,
        ring: &KeyRing,
        mut may_leave: impl FnMut(&ApiKey) -> Result<(), Full>,
    ) -> Result<Answer, SendError> {
        let mut refused = None;
        let mut tried = Vec::new();
        while let Some(key) = ring.untried(&tried).await? {
            tried.push(key.fingerprint());
            match self.send_with(request, repeatable, &key, &mut may_leave).await {
                Err(SendError::Api { error: error @ Error::Unauthorized { .. }, key }) => {
                    ring.refuse(&key);
                    refused = Some(SendError::Api { error, key });
                }
                Ok(answer) => {
                    ring.accept(&answer.key);
                    return Ok(answer);
                }
                outcome => return outcome,
            }
        }
        Err(refused.unwrap_or(SendError::Key(KeyError::Missing)))
    }

    async fn send_with(
        &self,
        request: &Prepared,
        repeatable: bool,
        key: &ApiKey,
        may_leave: &mut impl FnMut(&ApiKey) -> Result<(), Full>,
    ) -> Result<Answer, SendError> {
        self.budget.deposit();
        let mut internal_errors = 0;
        let attempt = || {
            let may_leave = may_leave(key);
            async move {
                may_leave?;
                self.attempt(request, key).await.map_err(|error| SendError::Api { error, key: key.clone() })
            }
        };
        attempt
            .retry(full_jitter())
            .when(|failure| {
                let SendError::Api { error, .. } = failure else { return false };
                // 500 is documented as safe to repeat once.
                let is_internal = matches!(error, Error::Refused(refusal) if refusal.status == 500);
                internal_errors += u32::from(is_internal);
                repeatable && error.is_transient() && internal_errors < 2 && self.budget.withdraw()
            })
            .adjust(|failure, pause| {
                let SendError::Api { error: Error::Refused(refusal), .. } = failure else { return pause };
                let Some(asked) = refusal.retry_after else { return pause };
                pause.filter(|_| asked <= LONGEST_PAUSE).map(|pause| pause.max(asked))
            })
            .await
    }

    async fn attempt(&self, request: &Prepared, key: &ApiKey) -> Result<Answer, Error> {
        let method = http::Method::from_bytes(request.method.as_str().as_bytes())
            .map_err(|error| Error::Setup(error.to_string()))?;
        let mut outgoing = self.http()?.request(method, request.url.clone()).header(KEY_HEADER, key.header());
        if let Some(traceparent) = &request.traceparent {
            outgoing = outgoing.header("traceparent", traceparent);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        let sent = Instant::now();
        let outcome = outgoing.send().await.map_err(Error::from_transport);
        self.observe(&outcome, sent);
        let mut response = outcome?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let now = Timestamp::now();
        let raw = envelope::Raw {
            status,
            content_type: text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned(),
            retry_after: retry_after(&headers, now),
            body: self.read(status, response).await?,
        };
        Ok(Answer {
            data: raw.open(now)?,
            sandbox: headers.contains_key(SANDBOX_HEADER),
            pause: nothing_left(&headers),
            key: key.clone(),
        })
    }

    /// Reads a body up to the cap, which counts what comes out of a compressed one.
    async fn read(&self, status: u16, mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Error::from_transport)? {
            if body.len() + chunk.len() > self.patience.most_bytes {
                let why = format!("it is longer than {} bytes", self.patience.most_bytes);
                return Err(Error::Unreadable { status, why });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn http(&self) -> Result<&reqwest::Client, Error> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let Patience { connect, read, total, .. } = self.patience;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("scope3-mcp/", env!("CARGO_PKG_VERSION")))
            // reqwest keeps custom headers, and so the key, when a redirect leaves the host.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .read_timeout(read)
            .timeout(total)
            .tcp_nodelay(true);
        // Requests to this machine are in the clear, so no proxy may see them.
        builder = if self.base.is_loopback() { builder.no_proxy() } else { builder.https_only(true) };
        let client = builder.build().map_err(Error::from_transport)?;
        Ok(self.http.get_or_init(|| client))
    }
}

/// The pauses between attempts: between nothing and a limit that doubles.
fn full_jitter() -> impl Iterator<Item = Duration> + Send + Sync + Unpin {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(4))
        .with_max_times(ATTEMPTS - 1)
        .build()
        .map(|limit| limit.mul_f64(fastrand::f64()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    text(headers, name)?.trim().parse().ok().map(Duration::from_secs)
}

/// `Retry-After` in either of its forms, or `RateLimit-Reset`.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let date = || {
        let at = jiff::fmt::rfc2822::parse(text(headers, "retry-after")?.trim()).ok()?.timestamp();
        Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
    };
    seconds(headers, "retry-after").or_else(date).or_else(|| seconds(headers, "ratelimit-reset"))
}

/// How long to be still when `RateLimit-Remaining` says that nothing is left.
fn nothing_left(headers: &HeaderMap) -> Option<Duration> {
    (text(headers, "ratelimit-remaining")?.trim() == "0")
        .then(|| seconds(headers, "ratelimit-reset"))
        .flatten()
}
