//! What one local Clerk knows: shared by its endpoints and by the handle that tests hold.

use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::{
    credentials::{Credential, Credentials, End, EndTokenError, Kind, NewCredential},
    directory::Directory,
    faults::Faults,
    grants::Grants,
    ids::Ids,
    keyring::Keyring,
    listener::Connections,
    people::{DirectoryError, SessionStatus},
    rate_limit::Limiter,
    request_log::RequestLog,
    settings::Settings,
};
use crate::{clock::Clock, mint::Recipe};

/// One instance. No lock is ever held across an await, and where two are taken, `grants` comes before `directory`.
pub(super) struct Instance {
    /// Where it listens, without a trailing slash.
    pub(super) origin: String,
    /// The Frontend API's URL, without a trailing slash: `iss` of every token. The same as `origin`, unless it passes
    /// for an instance at Clerk.
    pub(super) issuer: String,
    /// The Frontend API's host and port.
    pub(super) domain: String,
    pub(super) id: String,
    pub(super) secret_key: String,
    pub(super) publishable_key: String,
    pub(super) clock: Clock,
    pub(super) ids: Arc<Ids>,
    pub(super) settings: Settings,
    pub(super) keys: RwLock<Keyring>,
    pub(super) directory: RwLock<Directory>,
    /// The id of the user who is signed in, and agrees, without being asked.
    pub(super) auto_approve: RwLock<Option<String>>,
    pub(super) grants: Mutex<Grants>,
    pub(super) credentials: Mutex<Credentials>,
    pub(super) limiter: Limiter,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    pub(super) connections: Connections,
    /// Fetches documents about clients; made when the first one is, or why it cannot be made.
    pub(super) http: OnceLock<Result<reqwest::Client, String>>,
}

impl Instance {
    /// Ends an opaque token, a refresh token's grant or an API key, named by id or by itself.
    pub(super) fn end_token(&self, id_or_secret: &str, end: End) -> Result<(), EndTokenError> {
        let now = self.clock.now();
        if self.grants.lock().end(id_or_secret, end, now)
            || self.credentials.lock().end(id_or_secret, end, now)
        {
            Ok(())
        } else if id_or_secret.split('.').count() == 3 {
            Err(EndTokenError::SelfContained)
        } else {
            Err(EndTokenError::Unknown)
        }
    }

    /// A session token of the user's session in this state and with this actor.
    pub(super) fn token_for(
        &self,
        user: &str,
        status: SessionStatus,
        actor: Option<&str>,
    ) -> Result<Recipe, DirectoryError> {
        let now = self.clock.now();
        let session = self.directory.write().session_for(user, status, actor, now)?;
        self.token_of_session(&session)
    }

    pub(super) fn opaque_m2m_token(
        &self,
        machine_id: &str,
        mut new: NewCredential,
    ) -> Result<Credential, DirectoryError> {
        let mut credentials = self.credentials.lock();
        let machine = credentials.machine(machine_id)?.clone();
        if new.scopes.is_empty() {
            new.scopes = machine.scopes;
        }
        Ok(credentials.issue(Kind::M2m, machine.id, new, self.clock.now(), &self.ids))
    }

    pub(super) fn api_key(&self, subject: &str, new: NewCredential) -> Result<Credential, DirectoryError> {
        let subject = {
            let directory = self.directory.read();
            match (
                directory.organization(subject),
                self.credentials.lock().machine(subject),
            ) {
                (Ok(organization), _) => organization.id.clone(),
                (Err(_), Ok(machine)) => machine.id.clone(),
                (Err(_), Err(_)) => directory.user(subject)?.id.clone(),
            }
        };
        let mut credentials = self.credentials.lock();
        Ok(credentials.issue(Kind::ApiKey, subject, new, self.clock.now(), &self.ids))
    }

    /// Signs this user in without a page, or nobody. Returns the user's id.
    pub(super) fn set_auto_approve(&self, user: Option<&str>) -> Result<Option<String>, DirectoryError> {
        let id = match user {
            Some(selector) => Some(self.directory.read().user(selector)?.id.clone()),
            None => None,
        };
        self.auto_approve.write().clone_from(&id);
        Ok(id)
    }
}
