//! Minimal MCP clients for tests. They can also send what a correct client would not.

use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::{Value, json};

use super::{Exchange, TestServer};

/// Builds a request of revision 2026-07-28, which carries its protocol version and client details in `_meta`.
pub fn modern(server: &TestServer, method: &str, mut params: Value) -> RequestBuilder {
    let name = params["name"].as_str().map(str::to_owned);
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let request = server
        .rpc(method, &params)
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method);
    match name {
        Some(name) => request.header("Mcp-Name", name),
        None => request,
    }
}

/// Sends `initialize` as a client of revision 2025-11-25 that supports elicitation.
pub async fn open(server: &TestServer, token: &str) -> Exchange {
    Exchange::of(initialize(server, token)).await
}

/// Builds the request that [`open`] sends.
pub fn initialize(server: &TestServer, token: &str) -> RequestBuilder {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" },
    });
    server.rpc("initialize", &params).bearer_auth(token)
}

/// A client of revision 2025-11-25 with a session.
pub struct McpClient<'a> {
    server: &'a TestServer,
    /// The session id that the server assigned.
    pub id: String,
    /// The id of the next request. Ids must be unique within a session.
    next: AtomicI64,
}

impl<'a> McpClient<'a> {
    /// Opens a session with `token`.
    pub async fn connect(server: &'a TestServer, token: &str) -> Self {
        let answer = open(server, token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let id = answer
            .header("mcp-session-id")
            .expect("the response to initialize has a session id")
            .to_owned();
        let client = Self::at(server, &id);
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.post(token, &message).await.status(), 202);
        client
    }

    /// Creates a client that claims the session with this id, without opening one.
    pub fn at(server: &'a TestServer, id: &str) -> Self {
        Self {
            server,
            id: id.to_owned(),
            next: AtomicI64::new(100),
        }
    }

    /// Builds a request within the session.
    pub fn request(&self, method: Method, token: &str) -> RequestBuilder {
        self.server
            .request(method, "/mcp")
            .bearer_auth(token)
            .header("MCP-Protocol-Version", "2025-11-25")
            .header("Mcp-Session-Id", &self.id)
    }

    /// Posts a message.
    pub async fn post(&self, token: &str, message: &Value) -> Response {
        let request = self
            .request(Method::POST, token)
            .header(header::ACCEPT, "application/json, text/event-stream");
        request.json(message).send().await.unwrap()
    }

    /// Calls a tool and returns all messages until the stream ends.
    pub async fn call(&self, token: &str, tool: &str, arguments: &Value) -> Vec<Value> {
        let message = call(self.next.fetch_add(1, Ordering::Relaxed), tool, arguments);
        Events::of(self.post(token, &message).await).rest().await
    }

    /// Calls `greet` and returns the text of its result, or the status and body of a response other than 200.
    pub async fn try_call(&self, token: &str) -> Result<String, (u16, String)> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let response = self
            .post(token, &call(id, "greet", &json!({ "name": "x" })))
            .await;
        match response.status().as_u16() {
            200 => Ok(text_of(&Events::of(response).rest().await).to_owned()),
            status => Err((status, response.text().await.unwrap())),
        }
    }

    /// Calls `greet` and returns the status of the response.
    pub async fn status_of_call(&self, token: &str) -> u16 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.post(token, &call(id, "greet", &json!({ "name": "x" })))
            .await
            .status()
            .as_u16()
    }
}

/// Builds the message that calls a tool.
pub fn call(id: i64, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// The messages in a `text/event-stream` response.
pub struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    /// Checks that `response` is an event stream and wraps it.
    #[track_caller]
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// Returns the remaining messages, waiting until the stream ends.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// Returns the next message, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let event: String = self.buffer.drain(..end + 2).collect();
                let data: String = event
                    .lines()
                    .filter_map(|line| line.strip_prefix("data:"))
                    .map(str::trim)
                    .collect();
                // A priming event has an id but no data.
                if !data.is_empty() {
                    return Some(serde_json::from_str(&data).unwrap());
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Returns the text of the tool result, which is the last of `messages`.
#[track_caller]
pub fn text_of(messages: &[Value]) -> &str {
    let last = messages.last().expect("at least one message");
    last["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {last}"))
}
