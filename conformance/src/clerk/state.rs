//! What one local Clerk knows: shared by its endpoints and by the handle that tests hold.

use std::collections::HashMap;

use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};

use super::{directory::Directory, endpoint::Endpoint, grants::Grants, scope::Scopes};
use crate::{clock::Clock, mint::SigningKey};

/// One instance. No lock is ever held across an await, and where two are taken, `grants` comes before `directory`.
pub(super) struct Instance {
    /// The Frontend API's origin, without a trailing slash: `iss` of every token.
    pub(super) issuer: String,
    pub(super) id: String,
    pub(super) secret_key: String,
    pub(super) clock: Clock,
    pub(super) access_tokens: AccessTokens,
    pub(super) default_scopes: Scopes,
    /// Signs everything, and is the only key published.
    pub(super) signing_key: RwLock<SigningKey>,
    pub(super) directory: RwLock<Directory>,
    /// The id of the user who is signed in, and agrees, without being asked.
    pub(super) auto_approve: RwLock<Option<String>>,
    pub(super) grants: Mutex<Grants>,
    pub(super) requests: Mutex<HashMap<Endpoint, u64>>,
}

/// The form of the OAuth access tokens that the token endpoint issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessTokens {
    /// A JWT of type `at+jwt` (RFC 9068), Clerk's default: resource servers verify it with the published keys.
    #[default]
    Jwt,
    /// A random string that begins with `oat_`: resource servers ask the Backend API about it.
    Opaque,
}

impl Instance {
    /// The published keys, the same at the Frontend API and the Backend API.
    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": [self.signing_key.read().jwk()] })
    }

    pub(super) fn count(&self, endpoint: Endpoint) {
        *self.requests.lock().entry(endpoint).or_default() += 1;
    }
}
