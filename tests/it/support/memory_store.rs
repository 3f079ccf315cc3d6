//! A store of sessions that replicas share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use clerk_mcp::mcp::{McpSessions, SessionKey};
use rmcp::transport::streamable_http_server::session::store::{
    SessionState, SessionStore, SessionStoreError,
};

use super::TestServer;

#[derive(Default)]
pub struct MemoryStore(Mutex<HashMap<String, SessionState>>);

impl MemoryStore {
    /// A server that looks for sessions here.
    pub async fn replica(self: &Arc<Self>, change: impl FnOnce(&mut McpSessions)) -> TestServer {
        let store = Arc::clone(self);
        let sessions = |sessions: &mut McpSessions| {
            // Each test server has a Clerk of its own; replicas have the same.
            "https://clerk.example.com".clone_into(&mut sessions.issuer);
            sessions.key = SessionKey::from_bytes(&[7; 32]);
            sessions.store = Some(store);
            change(sessions);
        };
        TestServer::builder().sessions(sessions).spawn().await
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        Ok(self.0.lock().unwrap().get(id).cloned())
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        self.0.lock().unwrap().insert(id.to_owned(), state.clone());
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        self.0.lock().unwrap().remove(id);
        Ok(())
    }
}
