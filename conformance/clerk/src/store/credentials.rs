//! Machines, opaque machine-to-machine tokens and API keys.

use std::fmt;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    mint::TokenEnd,
    store::{bounded_map::BoundedMap, ids::Ids, people::DirectoryError},
};

/// Limit for tokens and for keys. The oldest are dropped.
const MAX_CREDENTIALS: usize = 10_000;
/// The revocation reason that the Backend API reports.
const REVOKED: &str = "Revoked";

/// A machine: the subject of machine-to-machine tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Machine {
    /// `mch_` followed by 27 characters.
    pub id: String,
    /// The display name.
    pub name: String,
    /// `ak_…`. The machine verifies tokens intended for it with this key.
    pub secret_key: String,
    /// The ids of the machines that its tokens are intended for.
    pub scopes: Vec<String>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The content of a new opaque machine-to-machine token or API key. The default is empty and never expires.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewCredential {
    /// The name of an API key. Machine-to-machine tokens have no name.
    pub name: String,
    /// Scopes. The scopes of a machine-to-machine token are machine ids; if empty, the machine's own scopes
    /// are used.
    pub scopes: Vec<String>,
    /// Custom claims.
    pub claims: Option<Value>,
    /// Lifetime; `None` if it never expires.
    pub expires_in: Option<SignedDuration>,
}

/// A newly issued opaque machine-to-machine token or API key, with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `mt_` or `ak_`, followed by 32 hexadecimal digits.
    pub id: String,
    /// The token or key itself.
    pub secret: String,
    /// The owner: `mch_…`, `user_…` or `org_…`.
    pub subject: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a token or key could not be revoked or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndTokenError {
    /// No token or key has this id or secret.
    #[error("no token or key has this id or secret; only the newest 10,000 of each kind are kept")]
    Unknown,
    /// The token is a JWT, which is valid until its `exp`.
    #[error("a JWT cannot be revoked or expired: drop its key, or mint one that has expired")]
    SelfContained,
}

/// The stored state of an opaque machine-to-machine token or API key.
#[derive(Clone, Debug)]
pub(crate) struct IssuedCredential {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: Option<Value>,
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) revocation_reason: Option<&'static str>,
}

impl IssuedCredential {
    /// Returns whether the credential has expired.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Returns whether the credential is neither revoked nor expired.
    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.revocation_reason.is_none() && !self.expired(now)
    }
}

/// The kinds of credentials. Each has its own store and verify endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    M2m,
    ApiKey,
}

/// All machines, opaque machine-to-machine tokens and API keys of an instance.
#[derive(Debug)]
pub(crate) struct Credentials {
    machines: IndexMap<String, Machine>,
    /// By secret.
    m2m_tokens: BoundedMap<IssuedCredential>,
    /// By secret.
    api_keys: BoundedMap<IssuedCredential>,
    /// The secrets by id.
    secrets: BoundedMap<String>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            machines: IndexMap::new(),
            m2m_tokens: BoundedMap::new(MAX_CREDENTIALS),
            api_keys: BoundedMap::new(MAX_CREDENTIALS),
            secrets: BoundedMap::new(2 * MAX_CREDENTIALS),
        }
    }
}

impl Credentials {
    pub(crate) fn add_machine(&mut self, name: &str, scopes: &[&str], ids: &Ids) -> Machine {
        let machine = Machine {
            id: ids.id("mch"),
            name: name.to_owned(),
            secret_key: format!("ak_{}", ids.alphanumeric("machine_secret", 43)),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        self.machines.insert(machine.id.clone(), machine.clone());
        machine
    }

    pub(crate) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    pub(crate) fn machine(&self, id: &str) -> Result<&Machine, DirectoryError> {
        self.machines
            .get(id)
            .ok_or_else(|| DirectoryError::UnknownMachine(id.to_owned()))
    }

    /// Returns the machine with this secret key.
    pub(crate) fn machine_by_secret(&self, secret_key: &str) -> Option<&Machine> {
        self.machines().find(|machine| machine.secret_key == secret_key)
    }

    /// Issues an opaque machine-to-machine token or an API key.
    pub(crate) fn issue(
        &mut self,
        kind: CredentialKind,
        subject: String,
        new: NewCredential,
        now: Timestamp,
        ids: &Ids,
    ) -> Credential {
        let prefix = match kind {
            CredentialKind::M2m => "mt",
            CredentialKind::ApiKey => "ak",
        };
        let credential = Credential {
            id: ids.token_id(prefix),
            secret: format!("{prefix}_{}", ids.alphanumeric("credential_secret", 43)),
            subject,
        };
        let issued = IssuedCredential {
            id: credential.id.clone(),
            subject: credential.subject.clone(),
            name: new.name,
            scopes: new.scopes,
            claims: new.claims,
            created_by: Some(credential.subject.clone()).filter(|subject| subject.starts_with("user_")),
            created_at: now,
            updated_at: now,
            last_used_at: None,
            // A lifetime beyond the last representable time never ends.
            expires_at: new
                .expires_in
                .map(|duration| now.checked_add(duration).unwrap_or(Timestamp::MAX)),
            revocation_reason: None,
        };
        self.store(kind).insert(credential.secret.clone(), issued);
        self.secrets
            .insert(credential.id.clone(), credential.secret.clone());
        credential
    }

    /// Finds a presented token or key and records when it was used. Returns its state before this use.
    pub(crate) fn record_use(
        &mut self,
        kind: CredentialKind,
        secret: &str,
        now: Timestamp,
    ) -> Option<IssuedCredential> {
        let issued = self.store(kind).get_mut(secret)?;
        let before = issued.clone();
        issued.last_used_at = Some(now);
        Some(before)
    }

    /// Revokes or expires a token or key, given by its id or its secret. Returns whether it exists.
    pub(crate) fn end(&mut self, id_or_secret: &str, end: TokenEnd, now: Timestamp) -> bool {
        let secret = match self.secrets.get(id_or_secret) {
            Some(secret) => secret.clone(),
            None => id_or_secret.to_owned(),
        };
        let found = match self.m2m_tokens.get_mut(&secret) {
            Some(token) => Some(token),
            None => self.api_keys.get_mut(&secret),
        };
        let Some(issued) = found else {
            return false;
        };
        match end {
            TokenEnd::Revoked => issued.revocation_reason = Some(REVOKED),
            TokenEnd::Expired => issued.expires_at = Some(now),
        }
        issued.updated_at = now;
        true
    }

    fn store(&mut self, kind: CredentialKind) -> &mut BoundedMap<IssuedCredential> {
        match kind {
            CredentialKind::M2m => &mut self.m2m_tokens,
            CredentialKind::ApiKey => &mut self.api_keys,
        }
    }
}
