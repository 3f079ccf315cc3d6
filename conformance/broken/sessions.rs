//! MCP sessions of revision 2025-11-25, enabled by `SESSIONS`. A session belongs to the user who started it.

use poem::http::{HeaderMap, HeaderValue};

use super::{caller::Caller, flaw::Flaw, server::Server};

impl Server {
    /// Starts a session and returns its id.
    pub(crate) fn start_session(&self, caller: &Caller) -> HeaderValue {
        let mut stored = self.stored_callers.lock();
        let id = if self.has(Flaw::SequentialSessionIds) {
            HeaderValue::from(stored.len())
        } else if self.has(Flaw::PaddedSessionIds)
            && let Ok(id) = HeaderValue::try_from(format!("{:024}", stored.len()))
        {
            id
        } else {
            HeaderValue::from(rand::random::<u64>())
        };
        stored.insert(session_key(&id), caller.clone());
        id
    }

    /// Returns the owner of the session that the request names.
    pub(crate) fn session_owner(&self, headers: &HeaderMap) -> Option<Caller> {
        let id = headers.get("mcp-session-id")?;
        self.stored_callers.lock().get(&session_key(id)).cloned()
    }
}

/// Returns the key of a session in `stored_callers`, which also holds the callers that flaws cache.
fn session_key(id: &HeaderValue) -> String {
    format!("session {}", id.to_str().unwrap_or_default())
}
