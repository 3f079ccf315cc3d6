//! Sessions of MCP 2025-11-25, which the server has when it is told to: each belongs to the user who started it.

use poem::http::{HeaderMap, HeaderValue};

use super::{caller::Caller, server::Server};

impl Server {
    /// Starts a session, and returns its id.
    pub(crate) fn start_session(&self, caller: &Caller) -> HeaderValue {
        let id = HeaderValue::from(rand::random::<u64>());
        let mut remembered = self.remembered.lock();
        remembered.insert(name(&id), caller.clone());
        id
    }

    /// Whose session a request presents.
    pub(crate) fn owner_of_session(&self, headers: &HeaderMap) -> Option<Caller> {
        let id = headers.get("mcp-session-id")?;
        self.remembered.lock().get(&name(id)).cloned()
    }
}

/// Sessions are remembered beside the callers that only flaws remember.
fn name(id: &HeaderValue) -> String {
    format!("session {}", id.to_str().unwrap_or_default())
}
