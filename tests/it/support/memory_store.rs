//! A store of sessions that replicas share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use clerk_mcp::mcp::{ExampleTools, McpSessions, SessionKey};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::session::store::{SessionState, SessionStore, SessionStoreError},
};

use super::TestServer;

#[derive(Default)]
pub struct MemoryStore {
    states: Mutex<HashMap<String, SessionState>>,
    /// Whether it can't be asked.
    pub is_away: AtomicBool,
}

impl MemoryStore {
    /// A server that looks for sessions here.
    pub async fn replica(self: &Arc<Self>, change: impl FnOnce(&mut McpSessions)) -> TestServer {
        self.replica_of(ExampleTools::new("Clerk MCP server"), change)
            .await
    }

    /// The same, with the tools of `handler`.
    pub async fn replica_of(
        self: &Arc<Self>,
        handler: impl ServerHandler + Clone,
        change: impl FnOnce(&mut McpSessions),
    ) -> TestServer {
        let store = Arc::clone(self);
        let sessions = |sessions: &mut McpSessions| {
            // Each test server has a Clerk of its own; replicas have the same.
            "https://clerk.example.com".clone_into(&mut sessions.issuer);
            sessions.key = SessionKey::from_bytes(&[7; 32]);
            sessions.store = Some(store);
            change(sessions);
        };
        TestServer::builder().sessions(sessions).spawn_with(handler).await
    }

    pub fn len(&self) -> usize {
        self.states.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err("it's away".into());
        }
        Ok(self.states.lock().unwrap().get(id).cloned())
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        self.states.lock().unwrap().insert(id.to_owned(), state.clone());
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        self.states.lock().unwrap().remove(id);
        Ok(())
    }
}
