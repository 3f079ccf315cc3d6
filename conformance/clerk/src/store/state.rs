//! What one local Clerk knows: shared by its endpoints and by the handle that tests hold.

use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::{
    clock::Clock,
    http::listener::Connections,
    mint::TokenEnd,
    store::{
        credentials::{Credential, Credentials, EndTokenError, Kind, NewCredential},
        directory::Directory,
        faults::Faults,
        grants::Grants,
        ids::Ids,
        keyring::Keyring,
        people::DirectoryError,
        rate_limit::Limiter,
        request_log::RequestLog,
        settings::Settings,
    },
};

/// One instance. No lock is ever held across an await, and where two are taken, `grants` comes before `directory`.
pub(crate) struct Instance {
    /// Where it listens, without a trailing slash.
    pub(crate) origin: String,
    /// The Frontend API's URL, without a trailing slash: `iss` of every token. The same as `origin`, unless it passes
    /// for an instance at Clerk.
    pub(crate) issuer: String,
    /// The Frontend API's host and port.
    pub(crate) domain: String,
    pub(crate) id: String,
    pub(crate) secret_key: String,
    pub(crate) publishable_key: String,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) settings: Settings,
    pub(crate) keys: RwLock<Keyring>,
    pub(crate) directory: RwLock<Directory>,
    /// The id of the user who is signed in, and agrees, without being asked.
    pub(crate) auto_approve: RwLock<Option<String>>,
    pub(crate) grants: Mutex<Grants>,
    pub(crate) credentials: Mutex<Credentials>,
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) connections: Connections,
    /// Fetches documents about clients; made when the first one is, or why it cannot be made.
    pub(crate) http: OnceLock<Result<reqwest::Client, String>>,
}

impl Instance {
    /// Ends an opaque token, a refresh token's grant or an API key, named by id or by itself.
    pub(crate) fn end_token(&self, id_or_secret: &str, end: TokenEnd) -> Result<(), EndTokenError> {
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

    pub(crate) fn opaque_m2m_token(
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

    pub(crate) fn api_key(&self, subject: &str, new: NewCredential) -> Result<Credential, DirectoryError> {
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
    pub(crate) fn set_auto_approve(&self, user: Option<&str>) -> Result<Option<String>, DirectoryError> {
        let id = match user {
            Some(selector) => Some(self.directory.read().user(selector)?.id.clone()),
            None => None,
        };
        self.auto_approve.write().clone_from(&id);
        Ok(id)
    }
}
