//! MCP clients written by hand, so that they can also do what a good one wouldn't.

use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::{Value, json};

use super::{Exchange, TestServer};

/// A request of 2026-07-28: it says everything about itself.
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

/// `initialize`, as a client of 2025-11-25 that answers questions.
pub async fn open(server: &TestServer, token: &str) -> Exchange {
    Exchange::of(initialize(server, token)).await
}

/// The request that [`open`] sends.
pub fn initialize(server: &TestServer, token: &str) -> RequestBuilder {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" },
    });
    server.rpc("initialize", &params).bearer_auth(token)
}

/// A client of 2025-11-25 with a session.
pub struct McpClient<'a> {
    server: &'a TestServer,
    /// As the server gave it.
    pub id: String,
    /// Of the next request: within a session they must differ.
    next: AtomicI64,
}

impl<'a> McpClient<'a> {
    /// Opens a session with `token`.
    pub async fn connect(server: &'a TestServer, token: &str) -> Self {
        let answer = open(server, token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let id = answer.header("mcp-session-id").expect("a session").to_owned();
        let client = Self::at(server, &id);
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.post(token, &message).await.status(), 202);
        client
    }

    /// A client that says it has the session of this id.
    pub fn at(server: &'a TestServer, id: &str) -> Self {
        Self {
            server,
            id: id.to_owned(),
            next: AtomicI64::new(100),
        }
    }

    /// A request within the session.
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

    /// Calls a tool; gives the messages that come until the stream ends.
    pub async fn call(&self, token: &str, tool: &str, arguments: &Value) -> Vec<Value> {
        let message = call(self.next.fetch_add(1, Ordering::Relaxed), tool, arguments);
        Events::of(self.post(token, &message).await).rest().await
    }

    /// The text that a call of `greet` ends with, or the status and what it comes with when it isn't taken.
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

    /// The status that a call gets.
    pub async fn status_of_call(&self, token: &str) -> u16 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.post(token, &call(id, "greet", &json!({ "name": "x" })))
            .await
            .status()
            .as_u16()
    }
}

/// The message that calls a tool.
pub fn call(id: i64, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// The messages of an event stream.
pub struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    #[track_caller]
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// What comes until the stream ends.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// The next message, or none when the stream is at its end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let event: String = self.buffer.drain(..end + 2).collect();
                let data: String = event
                    .lines()
                    .filter_map(|line| line.strip_prefix("data:"))
                    .map(str::trim)
                    .collect();
                // A priming event carries nothing but its id.
                if !data.is_empty() {
                    return Some(serde_json::from_str(&data).unwrap());
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// The text of the tool's result that ends `messages`.
#[track_caller]
pub fn text_of(messages: &[Value]) -> &str {
    let last = messages.last().expect("an answer");
    last["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {last}"))
}
