//! An API over raw TCP that does what a schedule says, byte for byte, and counts the changes that it makes.
//!
//! A change is known by the `name` in the body of its request. Each connection carries one request.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::AbortHandle,
};

/// How long a test waits for a request.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happens to one request.
#[derive(Debug, Clone)]
pub struct Behavior {
    is_made: bool,
    then: Then,
}

/// What happens after the change was made, or not.
#[derive(Debug, Clone)]
pub enum Then {
    /// These bytes, and the end of the connection.
    Send(Vec<u8>),
    /// Nothing: the connection stays open.
    Hang,
    /// A response when the test calls [`FaultyApi::release`].
    Hold,
    /// These bytes, and then a reset of the connection.
    Reset(Vec<u8>),
    /// These bytes, and then a block again and again, up to this many bytes in total.
    Stream { head: Vec<u8>, block: Vec<u8>, total: u64 },
    /// These bytes, one by one.
    Trickle(Vec<u8>, Duration),
}

/// The change is made.
pub fn made(then: Then) -> Behavior {
    Behavior { is_made: true, then }
}

/// The change is not made.
pub fn not_made(then: Then) -> Behavior {
    Behavior { is_made: false, then }
}

/// A response with `Content-Length`.
pub fn response(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = body.as_ref().len().to_string();
    let mut bytes = head(status, &[headers, &[("content-length", &length)]].concat());
    bytes.extend_from_slice(body.as_ref());
    bytes
}

/// The status line and the headers of a response.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Reason\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// A response with a JSON body.
pub fn json_response(status: u16, headers: &[(&str, &str)], body: &Value) -> Vec<u8> {
    response(status, &[headers, &[("content-type", "application/json")]].concat(), body.to_string())
}

/// The response to a change that was made.
pub fn success() -> Vec<u8> {
    json_response(200, &[], &json!({ "success": true, "data": { "id": "made" } }))
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The name of what it changes, or nothing for a read.
    pub name: String,
    /// All of its bytes.
    pub text: String,
}

impl Received {
    /// The value of a header.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let lines = self.text.lines().take_while(|line| !line.is_empty());
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        headers.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value))
    }
}

/// Chooses the behavior for a request. Without one, the schedule decides.
type Rule = Box<dyn Fn(&Received) -> Option<Behavior> + Send + Sync>;

#[derive(Default)]
struct Log {
    /// For the next requests, whatever they change.
    next: VecDeque<Behavior>,
    /// For the next requests of one name.
    by_name: HashMap<String, VecDeque<Behavior>>,
    received: Vec<Received>,
    made: HashMap<String, u32>,
}

struct Shared {
    log: Mutex<Log>,
    rule: Option<Rule>,
    released: Semaphore,
    written: AtomicU64,
}

/// The API. It ends when it is dropped.
pub struct FaultyApi {
    pub url: String,
    shared: Arc<Shared>,
    server: AbortHandle,
}

impl FaultyApi {
    /// An API with these behaviors for its first requests. It makes all later changes and responds.
    pub async fn start(schedule: impl IntoIterator<Item = Behavior>) -> Self {
        Self::with(schedule, None).await
    }

    /// An API whose behavior depends on the request.
    pub async fn by(rule: impl Fn(&Received) -> Option<Behavior> + Send + Sync + 'static) -> Self {
        Self::with([], Some(Box::new(rule))).await
    }

    async fn with(schedule: impl IntoIterator<Item = Behavior>, rule: Option<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Log { next: schedule.into_iter().collect(), ..Log::default() };
        let shared = Arc::new(Shared {
            log: Mutex::new(log),
            rule,
            released: Semaphore::new(0),
            written: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { shared.serve(stream).await });
            }
        });
        Self { url, shared, server: server.abort_handle() }
    }

    /// Adds a behavior for a request about this name.
    pub fn plan(&self, name: &str, behavior: Behavior) {
        self.shared.log().by_name.entry(name.to_owned()).or_default().push_back(behavior);
    }

    /// How often the change with this name was made.
    pub fn made(&self, name: &str) -> u32 {
        self.shared.log().made.get(name).copied().unwrap_or_default()
    }

    /// The requests that arrived, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.log().received.clone()
    }

    /// Waits until this many requests have arrived.
    pub async fn wait_for(&self, requests: usize) {
        let waiting = async {
            while self.shared.log().received.len() < requests {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("too few requests");
    }

    /// Lets one held response go.
    pub fn release(&self) {
        self.shared.released.add_permits(1);
    }

    /// How many bytes of streams the client took.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }
}

impl Drop for FaultyApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some(received) = read_request(&mut stream).await else { return };
        let behavior = self.process(received);
        if self.respond(&mut stream, behavior).await.is_ok() {
            // The client reads the end of the response before the end of the connection.
            drop(stream.shutdown().await);
            drop(tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await);
        }
    }

    /// Records a request, makes its change if it is to be made, and returns what happens next.
    fn process(&self, received: Received) -> Then {
        let mut log = self.log();
        let planned = log.by_name.get_mut(&received.name).and_then(VecDeque::pop_front);
        let by_rule = || self.rule.as_ref().and_then(|rule| rule(&received));
        let behavior = planned.or_else(by_rule).or_else(|| log.next.pop_front());
        let Behavior { is_made, then } = behavior.unwrap_or_else(|| made(Then::Send(success())));
        if is_made {
            *log.made.entry(received.name.clone()).or_default() += 1;
        }
        log.received.push(received);
        then
    }

    /// Does what a behavior says. After an error, the connection is dropped at once.
    async fn respond(&self, stream: &mut TcpStream, then: Then) -> std::io::Result<()> {
        match then {
            Then::Send(bytes) => stream.write_all(&bytes).await,
            Then::Hang => wait_for_end(stream).await,
            Then::Hold => {
                self.released.acquire().await.unwrap().forget();
                stream.write_all(&success()).await
            }
            Then::Reset(bytes) => {
                stream.write_all(&bytes).await?;
                if !bytes.is_empty() {
                    // A reset discards what the client has not read.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                stream.set_zero_linger()?;
                Err(std::io::ErrorKind::ConnectionReset.into())
            }
            Then::Stream { head, block, total } => {
                stream.write_all(&head).await?;
                let mut left = total;
                while left > 0 {
                    stream.write_all(&block).await?;
                    self.written.fetch_add(block.len() as u64, Ordering::Relaxed);
                    left = left.saturating_sub(block.len() as u64);
                }
                Ok(())
            }
            Then::Trickle(bytes, pause) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
        }
    }
}

/// Reads one whole request. Returns `None` if the client ends before it is whole.
pub async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 8192];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let request = Received { name: String::new(), text: head.to_owned() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let name = body["name"].as_str().unwrap_or_default().to_owned();
            return Some(Received { name, text: text.into_owned() });
        }
    }
}

async fn wait_for_end(stream: &mut TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}
