//! What the authorization server remembers: clients, requests that wait for a person, codes, grants and tokens.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{ids, scope::Scopes};

/// How long a code can be redeemed (RFC 6749 §4.1.2 recommends ten minutes at most).
pub(super) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How long a sign-in page stays usable.
const TRANSACTION_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// Sign-in pages that nobody answers are forgotten beyond this many, the oldest first.
const MAX_TRANSACTIONS: usize = 1_000;

/// A registered client (RFC 7591 §2). Not `Debug`: it holds a secret.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: String,
    /// Absent for public clients.
    pub(super) secret: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: Scopes,
}

/// An authorization request that passed every check and waits for a decision.
#[derive(Clone, Debug)]
pub(super) struct AuthorizationRequest {
    pub(super) client_id: String,
    pub(super) client_name: String,
    pub(super) redirect_uri: String,
    /// Whether `redirect_uri` was in the request: if so, the token request must repeat it (RFC 6749 §4.1.3).
    pub(super) redirect_uri_given: bool,
    pub(super) response_mode: ResponseMode,
    pub(super) scopes: Scopes,
    pub(super) state: Option<String>,
    pub(super) code_challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) resources: Vec<String>,
}

/// How the answer travels to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ResponseMode {
    #[default]
    Query,
    FormPost,
}

/// What a user allowed a client. Everything issued from it ends when it is revoked.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) user_id: String,
    pub(super) organization_id: Option<String>,
    pub(super) scopes: Scopes,
    pub(super) resources: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) revoked: bool,
}

/// An authorization code: one chance to turn a grant into tokens.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) grant_id: String,
    pub(super) redirect_uri: String,
    /// Whether the token request must repeat it.
    pub(super) redirect_uri_given: bool,
    pub(super) challenge: Option<String>,
    pub(super) expires_at: Timestamp,
    pub(super) used: bool,
}

/// A refresh token, valid until it is used once.
#[derive(Clone, Debug)]
pub(super) struct RefreshToken {
    pub(super) grant_id: String,
    pub(super) issued_at: Timestamp,
    pub(super) used: bool,
}

/// An opaque access token.
#[derive(Clone, Debug)]
pub(super) struct OpaqueToken {
    pub(super) id: String,
    pub(super) grant_id: String,
    pub(super) scopes: Scopes,
    pub(super) resources: Vec<String>,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) revoked: bool,
}

/// All of it, in memory.
#[derive(Default)]
pub(super) struct Grants {
    clients: HashMap<String, Client>,
    transactions: HashMap<String, (Timestamp, AuthorizationRequest)>,
    codes: HashMap<String, Code>,
    consents: HashMap<String, Grant>,
    refresh_tokens: HashMap<String, RefreshToken>,
    opaque_tokens: HashMap<String, OpaqueToken>,
}

impl Grants {
    pub(super) fn add_client(&mut self, client: Client) {
        self.clients.insert(client.id.clone(), client);
    }

    pub(super) fn client(&self, client_id: &str) -> Option<&Client> {
        self.clients.get(client_id)
    }

    /// Keeps a request until it is decided. The id it returns works once, and is what protects the decision from
    /// being forged by another page.
    pub(super) fn open_transaction(&mut self, request: AuthorizationRequest, now: Timestamp) -> String {
        if self.transactions.len() >= MAX_TRANSACTIONS {
            let oldest = self
                .transactions
                .iter()
                .min_by_key(|(_, (expires_at, _))| *expires_at)
                .map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                self.transactions.remove(&oldest);
            }
        }
        let id = ids::alphanumeric(32);
        self.transactions
            .insert(id.clone(), (now + TRANSACTION_LIFETIME, request));
        id
    }

    /// Ends a transaction: a second decision finds nothing.
    pub(super) fn close_transaction(&mut self, id: &str, now: Timestamp) -> Option<AuthorizationRequest> {
        let (expires_at, request) = self.transactions.remove(id)?;
        (now < expires_at).then_some(request)
    }

    /// Records what the user allowed and returns the code that stands for it.
    pub(super) fn approve(
        &mut self,
        request: &AuthorizationRequest,
        user_id: &str,
        organization_id: Option<String>,
        now: Timestamp,
    ) -> String {
        let grant_id = ids::alphanumeric(22);
        let code = ids::alphanumeric(43);
        self.consents.insert(
            grant_id.clone(),
            Grant {
                client_id: request.client_id.clone(),
                user_id: user_id.to_owned(),
                organization_id,
                scopes: request.scopes.clone(),
                resources: request.resources.clone(),
                nonce: request.nonce.clone(),
                revoked: false,
            },
        );
        self.codes.insert(
            code.clone(),
            Code {
                grant_id,
                redirect_uri: request.redirect_uri.clone(),
                redirect_uri_given: request.redirect_uri_given,
                challenge: request.code_challenge.clone(),
                expires_at: now + CODE_LIFETIME,
                used: false,
            },
        );
        code
    }

    pub(super) fn grant(&self, grant_id: &str) -> Option<&Grant> {
        self.consents.get(grant_id)
    }

    pub(super) fn revoke_grant(&mut self, grant_id: &str) {
        if let Some(grant) = self.consents.get_mut(grant_id) {
            grant.revoked = true;
        }
    }

    pub(super) fn code(&self, code: &str) -> Option<&Code> {
        self.codes.get(code)
    }

    pub(super) fn use_code(&mut self, code: &str) {
        if let Some(code) = self.codes.get_mut(code) {
            code.used = true;
        }
    }

    pub(super) fn issue_refresh_token(&mut self, grant_id: &str, now: Timestamp) -> String {
        let token = ids::alphanumeric(43);
        self.refresh_tokens.insert(
            token.clone(),
            RefreshToken {
                grant_id: grant_id.to_owned(),
                issued_at: now,
                used: false,
            },
        );
        token
    }

    pub(super) fn refresh_token(&self, token: &str) -> Option<&RefreshToken> {
        self.refresh_tokens.get(token)
    }

    pub(super) fn use_refresh_token(&mut self, token: &str) {
        if let Some(token) = self.refresh_tokens.get_mut(token) {
            token.used = true;
        }
    }

    pub(super) fn add_opaque_token(&mut self, secret: String, token: OpaqueToken) {
        self.opaque_tokens.insert(secret, token);
    }

    pub(super) fn opaque_token(&self, secret: &str) -> Option<&OpaqueToken> {
        self.opaque_tokens.get(secret)
    }

    pub(super) fn revoke_opaque_token(&mut self, secret: &str) {
        if let Some(token) = self.opaque_tokens.get_mut(secret) {
            token.revoked = true;
        }
    }
}
