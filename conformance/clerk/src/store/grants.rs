//! The state of the authorization server: clients, pending authorization requests, grants, codes, refresh
//! tokens and opaque access tokens.

use jiff::{SignedDuration, Timestamp};

use crate::{
    mint::TokenEnd,
    store::{bounded_map::BoundedMap, ids::Ids, scope::Scopes},
};

/// Lifetime of OAuth access tokens and ID tokens, in seconds.
pub(crate) const OAUTH_TOKEN_SECONDS: i64 = 86_400;

/// Lifetime of authorization codes (RFC 6749 §4.1.2 recommends at most ten minutes).
pub(crate) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Lifetime of a sign-in page.
const TRANSACTION_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// Limit for pending authorization requests. The oldest are dropped.
const MAX_TRANSACTIONS: usize = 1_000;
/// Limit for each of clients, codes, grants and tokens. The oldest are dropped.
const MAX_ENTRIES: usize = 10_000;

/// A registered client (RFC 7591 §2). Not `Debug`: it holds a secret.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `None` for public clients.
    pub(crate) secret: Option<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) scopes: Scopes,
    pub(crate) origin: Origin,
}

/// How a client became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It used dynamic client registration (RFC 7591).
    Registered,
    /// Its id is the URL of its client metadata document.
    Document {
        /// When the document must be fetched again; `None` if never.
        fresh_until: Option<Timestamp>,
    },
}

/// A valid authorization request that waits for the user's decision.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    pub(crate) client_name: String,
    pub(crate) redirect_uri: String,
    /// Whether the request contained `redirect_uri`. If so, the token request must repeat it (RFC 6749
    /// §4.1.3).
    pub(crate) redirect_uri_given: bool,
    pub(crate) response_mode: ResponseMode,
    pub(crate) scopes: Scopes,
    pub(crate) state: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) resources: Vec<String>,
}

/// How the authorization response is delivered to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    #[default]
    Query,
    FormPost,
}

/// A user's consent for a client. Revoking it ends every opaque token and refresh token issued from it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) revoked: bool,
}

/// An authorization code, which can be redeemed once.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) grant_id: String,
    pub(crate) redirect_uri: String,
    /// Whether the token request must repeat `redirect_uri`.
    pub(crate) redirect_uri_given: bool,
    pub(crate) challenge: Option<String>,
    pub(crate) expires_at: Timestamp,
    pub(crate) used: bool,
}

/// A refresh token, which can be used once, or repeatedly during the leeway after its first use.
#[derive(Clone, Debug)]
pub(crate) struct RefreshToken {
    pub(crate) grant_id: String,
    pub(crate) issued_at: Timestamp,
    /// When the token was first used.
    pub(crate) used_at: Option<Timestamp>,
}

/// An opaque access token.
#[derive(Clone, Debug)]
pub(crate) struct OpaqueToken {
    pub(crate) id: String,
    pub(crate) grant_id: String,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked: bool,
}

/// All state of the authorization server, limited in size.
pub(crate) struct Grants {
    clients: BoundedMap<Client>,
    transactions: BoundedMap<(Timestamp, AuthorizationRequest)>,
    codes: BoundedMap<Code>,
    consents: BoundedMap<Grant>,
    refresh_tokens: BoundedMap<RefreshToken>,
    opaque_tokens: BoundedMap<OpaqueToken>,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            clients: BoundedMap::new(MAX_ENTRIES),
            transactions: BoundedMap::new(MAX_TRANSACTIONS),
            codes: BoundedMap::new(MAX_ENTRIES),
            consents: BoundedMap::new(MAX_ENTRIES),
            refresh_tokens: BoundedMap::new(MAX_ENTRIES),
            opaque_tokens: BoundedMap::new(MAX_ENTRIES),
        }
    }
}

impl Grants {
    /// Adds a client, or replaces the client with the same id.
    pub(crate) fn add_client(&mut self, client: Client) {
        self.clients.insert(client.id.clone(), client);
    }

    pub(crate) fn client(&self, client_id: &str) -> Option<&Client> {
        self.clients.get(client_id)
    }

    /// Returns the known clients, in the order in which they became known.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.values()
    }

    /// Stores a request until the user decides. The returned id can be used once, and protects the decision
    /// against cross-site request forgery.
    pub(crate) fn open_transaction(
        &mut self,
        request: AuthorizationRequest,
        now: Timestamp,
        ids: &Ids,
    ) -> String {
        let id = ids.alphanumeric("transaction", 32);
        self.transactions
            .insert(id.clone(), (now + TRANSACTION_LIFETIME, request));
        id
    }

    /// Removes and returns a pending request, unless it has expired. A second decision therefore finds
    /// nothing.
    pub(crate) fn close_transaction(&mut self, id: &str, now: Timestamp) -> Option<AuthorizationRequest> {
        let (expires_at, request) = self.transactions.remove(id)?;
        (now < expires_at).then_some(request)
    }

    /// Records the user's consent and returns an authorization code for it.
    pub(crate) fn approve(
        &mut self,
        request: &AuthorizationRequest,
        user_id: &str,
        organization_id: Option<String>,
        now: Timestamp,
        ids: &Ids,
    ) -> String {
        let grant_id = ids.alphanumeric("grant", 22);
        let code = ids.alphanumeric("code", 43);
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

    /// Adds a grant without an authorization request. Returns its id.
    pub(crate) fn add_grant(
        &mut self,
        client_id: &str,
        user_id: &str,
        scopes: &Scopes,
        resources: &[String],
        ids: &Ids,
    ) -> String {
        let grant_id = ids.alphanumeric("grant", 22);
        self.consents.insert(
            grant_id.clone(),
            Grant {
                client_id: client_id.to_owned(),
                user_id: user_id.to_owned(),
                organization_id: None,
                scopes: scopes.clone(),
                resources: resources.to_vec(),
                nonce: None,
                revoked: false,
            },
        );
        grant_id
    }

    /// Adds a grant and an opaque access token for it. Without a `lifetime` it has the usual one. Returns the
    /// token and its id.
    pub(crate) fn issue_opaque_token(
        &mut self,
        client_id: &str,
        user_id: &str,
        scopes: &Scopes,
        resources: &[String],
        (now, lifetime): (Timestamp, Option<SignedDuration>),
        ids: &Ids,
    ) -> (String, String) {
        let grant_id = self.add_grant(client_id, user_id, scopes, resources, ids);
        let (secret, id) = (ids.opaque_access_token(), ids.token_id("oat"));
        self.add_opaque_token(
            secret.clone(),
            OpaqueToken {
                id: id.clone(),
                grant_id,
                scopes: scopes.clone(),
                resources: resources.to_vec(),
                issued_at: now,
                expires_at: now + lifetime.unwrap_or(SignedDuration::from_secs(OAUTH_TOKEN_SECONDS)),
                revoked: false,
            },
        );
        (secret, id)
    }

    pub(crate) fn grant(&self, grant_id: &str) -> Option<&Grant> {
        self.consents.get(grant_id)
    }

    pub(crate) fn revoke_grant(&mut self, grant_id: &str) {
        if let Some(grant) = self.consents.get_mut(grant_id) {
            grant.revoked = true;
        }
    }

    pub(crate) fn code(&self, code: &str) -> Option<&Code> {
        self.codes.get(code)
    }

    pub(crate) fn use_code(&mut self, code: &str) {
        if let Some(code) = self.codes.get_mut(code) {
            code.used = true;
        }
    }

    pub(crate) fn issue_refresh_token(&mut self, grant_id: &str, now: Timestamp, ids: &Ids) -> String {
        let token = ids.alphanumeric("refresh_token", 43);
        self.refresh_tokens.insert(
            token.clone(),
            RefreshToken {
                grant_id: grant_id.to_owned(),
                issued_at: now,
                used_at: None,
            },
        );
        token
    }

    pub(crate) fn refresh_token(&self, token: &str) -> Option<&RefreshToken> {
        self.refresh_tokens.get(token)
    }

    /// Records the first use of a refresh token.
    pub(crate) fn use_refresh_token(&mut self, token: &str, now: Timestamp) {
        if let Some(token) = self.refresh_tokens.get_mut(token) {
            token.used_at.get_or_insert(now);
        }
    }

    pub(crate) fn add_opaque_token(&mut self, secret: String, token: OpaqueToken) {
        self.opaque_tokens.insert(secret, token);
    }

    pub(crate) fn opaque_token(&self, secret: &str) -> Option<&OpaqueToken> {
        self.opaque_tokens.get(secret)
    }

    pub(crate) fn revoke_opaque_token(&mut self, secret: &str) {
        if let Some(token) = self.opaque_tokens.get_mut(secret) {
            token.revoked = true;
        }
    }

    /// Revokes or expires an opaque access token, given by its id or its secret. For a refresh token, revokes
    /// its grant. Returns whether the token exists.
    pub(crate) fn end(&mut self, id_or_secret: &str, end: TokenEnd, now: Timestamp) -> bool {
        if let Some(grant_id) = self
            .refresh_tokens
            .get(id_or_secret)
            .map(|token| token.grant_id.clone())
        {
            self.revoke_grant(&grant_id);
            return true;
        }
        let found = match self.opaque_tokens.get(id_or_secret) {
            Some(_) => self.opaque_tokens.get_mut(id_or_secret),
            None => self
                .opaque_tokens
                .values_mut()
                .find(|token| token.id == id_or_secret),
        };
        let Some(token) = found else {
            return false;
        };
        match end {
            TokenEnd::Revoked => token.revoked = true,
            TokenEnd::Expired => token.expires_at = now,
        }
        true
    }

    /// Revokes every grant of a user. Returns how many were revoked.
    pub(crate) fn revoke_grants_of(&mut self, user_id: &str) -> usize {
        let grants = self
            .consents
            .values_mut()
            .filter(|grant| grant.user_id == user_id && !grant.revoked);
        let mut revoked = 0;
        for grant in grants {
            grant.revoked = true;
            revoked += 1;
        }
        revoked
    }
}
