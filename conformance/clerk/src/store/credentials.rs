//! Machines and what they and others present instead of a session: opaque machine-to-machine tokens and API keys.

use std::fmt;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    mint::TokenEnd,
    store::{bounded::Bounded, ids::Ids, people::DirectoryError},
};

/// Tokens and keys beyond this many are forgotten, the oldest first.
const MAX_CREDENTIALS: usize = 10_000;
const REVOKED: &str = "Revoked";

/// A machine of the instance: the subject of machine-to-machine tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Machine {
    /// `mch_` and 27 characters.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// `ak_…`: with it the machine verifies the tokens that are meant for it.
    pub secret_key: String,
    /// The ids of the machines that its tokens are meant for.
    pub scopes: Vec<String>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What an opaque machine-to-machine token or an API key is to say. `Default` says nothing and never expires.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewCredential {
    /// The name of an API key; machine-to-machine tokens have none.
    pub name: String,
    /// Scopes. Those of a machine-to-machine token are machine ids; when empty, the machine's own.
    pub scopes: Vec<String>,
    /// Custom claims.
    pub claims: Option<Value>,
    /// How long it is good for.
    pub expires_in: Option<SignedDuration>,
}

/// An opaque machine-to-machine token or an API key, as whoever made it sees it once.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `mt_` or `ak_`, and 32 hexadecimal digits.
    pub id: String,
    /// What is presented.
    pub secret: String,
    /// `mch_…`, `user_…` or `org_…`.
    pub subject: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A token or key cannot be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndTokenError {
    /// Nothing of this text was issued here.
    #[error("no such token or key was issued here, or it was forgotten since")]
    Unknown,
    /// A JWT says itself how long it is good for.
    #[error("a JWT cannot be ended before its time: drop its key, or mint one that has expired")]
    SelfContained,
}

/// What is known about an opaque machine-to-machine token or an API key.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
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

impl Issued {
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.revocation_reason.is_none() && !self.expired(now)
    }
}

/// The two kinds, which have stores and endpoints of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    M2m,
    ApiKey,
}

/// All of an instance's machines, opaque machine-to-machine tokens and API keys.
#[derive(Debug)]
pub(crate) struct Credentials {
    machines: IndexMap<String, Machine>,
    m2m_tokens: Bounded<Issued>,
    api_keys: Bounded<Issued>,
    /// From id to what is presented.
    secrets: Bounded<String>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            machines: IndexMap::new(),
            m2m_tokens: Bounded::new(MAX_CREDENTIALS),
            api_keys: Bounded::new(MAX_CREDENTIALS),
            secrets: Bounded::new(2 * MAX_CREDENTIALS),
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

    /// The machine this key belongs to.
    pub(crate) fn machine_by_secret(&self, secret_key: &str) -> Option<&Machine> {
        self.machines().find(|machine| machine.secret_key == secret_key)
    }

    pub(crate) fn issue(
        &mut self,
        kind: Kind,
        subject: String,
        new: NewCredential,
        now: Timestamp,
        ids: &Ids,
    ) -> Credential {
        let prefix = match kind {
            Kind::M2m => "mt",
            Kind::ApiKey => "ak",
        };
        let credential = Credential {
            id: ids.token_id(prefix),
            secret: format!("{prefix}_{}", ids.alphanumeric("credential_secret", 43)),
            subject,
        };
        let issued = Issued {
            id: credential.id.clone(),
            subject: credential.subject.clone(),
            name: new.name,
            scopes: new.scopes,
            claims: new.claims,
            created_by: Some(credential.subject.clone()).filter(|subject| subject.starts_with("user_")),
            created_at: now,
            updated_at: now,
            last_used_at: None,
            // The end of time, when that is not far enough.
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

    /// Finds what is presented, and notes that it was.
    pub(crate) fn present(&mut self, kind: Kind, secret: &str, now: Timestamp) -> Option<Issued> {
        let issued = self.store(kind).get_mut(secret)?;
        let before = issued.clone();
        issued.last_used_at = Some(now);
        Some(before)
    }

    /// Ends a token or key, named by its id or by itself; whether there was one.
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

    fn store(&mut self, kind: Kind) -> &mut Bounded<Issued> {
        match kind {
            Kind::M2m => &mut self.m2m_tokens,
            Kind::ApiKey => &mut self.api_keys,
        }
    }
}
