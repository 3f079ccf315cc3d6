//! [`Instance`]: all state of one local Clerk, shared by its endpoints and its handle.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use parking_lot::{Mutex, RwLock};

use crate::{
    clock::Clock,
    http::listener::Connections,
    mint::TokenEnd,
    store::{
        credentials::{Credential, CredentialKind, Credentials, EndTokenError, NewCredential},
        directory::Directory,
        faults::Faults,
        grants::Grants,
        ids::Ids,
        keyring::Keyring,
        people::DirectoryError,
        rate_limit::Limiter,
        request_log::RequestLog,
        settings::{ResourceIndicators, Settings},
    },
};

/// The state of one local Clerk.
///
/// To avoid deadlocks, no lock is held across an await, and code that takes both locks takes `grants` before
/// `directory`.
pub(crate) struct Instance {
    /// The URL of the listener, without a trailing slash.
    pub(crate) origin: String,
    /// The URL of the Frontend API, without a trailing slash; the `iss` of every token. It equals `origin`
    /// unless the local Clerk stands in for another instance.
    pub(crate) issuer: String,
    /// The path of the issuer, or an empty text.
    pub(crate) issuer_path: String,
    /// The host and port of the Frontend API.
    pub(crate) domain: String,
    pub(crate) id: String,
    pub(crate) secret_key: String,
    pub(crate) publishable_key: String,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) settings: Settings,
    pub(crate) keys: RwLock<Keyring>,
    pub(crate) directory: RwLock<Directory>,
    /// The id of the user who is signed in and consents without being shown a page.
    pub(crate) auto_approve: RwLock<Option<String>>,
    /// The registered resources (RFC 8707).
    pub(crate) resources: RwLock<BTreeSet<String>>,
    pub(crate) grants: Mutex<Grants>,
    pub(crate) credentials: Mutex<Credentials>,
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) connections: Connections,
    /// The HTTP client that fetches client metadata documents, or why it could not be created. Created on
    /// first use.
    pub(crate) http: OnceLock<Result<reqwest::Client, String>>,
}

impl Instance {
    /// Revokes or expires an opaque token or an API key, given by its id or its secret. For a refresh token,
    /// revokes its grant.
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

    /// Issues an opaque machine-to-machine token to a machine.
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
        Ok(credentials.issue(CredentialKind::M2m, machine.id, new, self.clock.now(), &self.ids))
    }

    /// Issues an API key to an organization, a machine or a user.
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
        Ok(credentials.issue(CredentialKind::ApiKey, subject, new, self.clock.now(), &self.ids))
    }

    /// Returns whether the `resource` parameter is ignored.
    pub(crate) fn ignores_resources(&self) -> bool {
        match self.settings.resource_indicators {
            ResourceIndicators::Registered => self.resources.read().is_empty(),
            ResourceIndicators::Strict => false,
            ResourceIndicators::Legacy => true,
        }
    }

    /// Returns whether tokens may be issued for a resource.
    pub(crate) fn grants_resource(&self, resource: &str) -> bool {
        let registered = self.resources.read();
        registered.is_empty() || registered.contains(resource)
    }

    /// Sets the user to sign in without a page; `None` turns this off. Returns the user's id.
    pub(crate) fn set_auto_approve(&self, user: Option<&str>) -> Result<Option<String>, DirectoryError> {
        let id = match user {
            Some(selector) => Some(self.directory.read().user(selector)?.id.clone()),
            None => None,
        };
        self.auto_approve.write().clone_from(&id);
        Ok(id)
    }
}
