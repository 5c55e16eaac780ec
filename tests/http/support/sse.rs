//! A client of HTTP+SSE.

use reqwest::{Method, Response, header::ACCEPT};
use serde_json::{Value, json};

use super::{Mcp, call, initialize, text};

/// A client of HTTP+SSE.
pub struct Sse {
    stream: Response,
    buffer: String,
    pub endpoint: String,
    client: Mcp,
}

impl Sse {
    pub async fn open(client: &Mcp) -> Self {
        let stream =
            client.request(Method::GET, "/sse").header(ACCEPT, "text/event-stream").send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let mut sse = Self { stream, buffer: String::new(), endpoint: String::new(), client: client.clone() };
        let (event, data) = sse.next().await.unwrap();
        assert_eq!(event, "endpoint");
        sse.endpoint = data;
        sse
    }

    pub async fn begin(client: &Mcp) -> Self {
        let mut sse = Self::open(client).await;
        assert_eq!(sse.send(&initialize("2024-11-05")).await, 202);
        assert_eq!(sse.next_response().await["result"]["protocolVersion"], "2024-11-05");
        assert_eq!(sse.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await, 202);
        sse
    }

    pub async fn send(&self, message: &Value) -> u16 {
        self.send_as(&self.client, message).await
    }

    pub async fn send_as(&self, client: &Mcp, message: &Value) -> u16 {
        let request = client.request(Method::POST, &self.endpoint).json(message);
        request.send().await.unwrap().status().as_u16()
    }

    pub async fn next_response(&mut self) -> Value {
        let (event, data) = self.next().await.expect("the stream ended");
        assert_eq!(event, "message");
        serde_json::from_str(&data).unwrap()
    }

    pub async fn call(&mut self, tool: &str) -> String {
        assert_eq!(self.send(&call(1, tool)).await, 202);
        text(&self.next_response().await)
    }

    /// The id of the session.
    pub fn session(&self) -> &str {
        self.endpoint.split_once('=').unwrap().1
    }

    /// The next event and its data, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let event: String = self.buffer.drain(..end + 2).collect();
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                match (field("event: "), field("data: ")) {
                    (Some(event), Some(data)) => return Some((event, data)),
                    _ => continue,
                }
            }
            self.buffer += std::str::from_utf8(&self.stream.chunk().await.unwrap()?).unwrap();
        }
    }
}
