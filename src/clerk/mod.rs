//! The client of Clerk's Backend API. It authenticates with the secret key of the server. It sends a caller's
//! token only to Clerk's verify endpoints, in the body, and only if the token is opaque.

mod call;
mod error;
mod secret_key;
mod types;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use reqwest::{Client, Method, RequestBuilder, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

pub use error::ClerkError;
pub use secret_key::{Misconfiguration, SecretKeyProbe, SecretKeyState};
pub use types::{EmailAddress, Membership, Organization, User};

use crate::{
    clock::Clock,
    id::{OrganizationId, UserId},
    log_limit::log_limited,
    outbound::OutboundError,
    shared_cache::SharedCache,
    token::{BearerToken, TokenKind, TokenReport},
};

/// A client of the Backend API of one Clerk application. Cheap to clone; clones share connections and caches.
///
/// In a tool, get it with [`get_client`](crate::context::get_client). For operations without a method, use
/// [`request`](Self::request):
///
/// ```no_run
/// use clerk_mcp::{context, mcp::ToolError};
/// use reqwest::Method;
///
/// async fn sign_out() -> Result<String, ToolError> {
///     let (session, client) = (context::get_session()?, context::get_client()?);
///     let Some(id) = &session.session_id else { return Ok("This token has no Clerk session.".to_owned()) };
///     let revoke = client.request(Method::POST, &["v1", "sessions", id.as_str(), "revoke"])?;
///     match revoke.send().await {
///         Ok(response) if response.status().is_success() => Ok("Signed out.".to_owned()),
///         Ok(_) | Err(_) => Err(ToolError::failed("Clerk did not end the session. Try again in a minute.")),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct ClerkClient(Arc<Inner>);

struct Inner {
    http: Client,
    base: Url,
    secret_key: SecretString,
    users: SharedCache<UserId, Result<Arc<User>, ClerkError>>,
    memberships: SharedCache<UserId, Result<Arc<[Membership]>, ClerkError>>,
    organization_memberships: SharedCache<(UserId, OrganizationId), MembershipOutcome>,
}

type MembershipOutcome = Result<Option<Arc<Membership>>, ClerkError>;

impl ClerkClient {
    /// Creates a client for the Backend API at `base` (`https://api.clerk.com`) that authenticates with
    /// `secret_key` (`sk_…`). Create `http` with [`crate::outbound::client`], which sets time limits and
    /// disables redirects.
    pub fn new(http: Client, base: Url, secret_key: SecretString, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            http,
            base,
            secret_key,
            users: SharedCache::new("users", CACHED_USERS, Arc::clone(&clock)),
            memberships: SharedCache::new("memberships", CACHED_USERS, Arc::clone(&clock)),
            organization_memberships: SharedCache::new("organization_memberships", CACHED_MEMBERSHIPS, clock),
        }))
    }

    /// Returns a user (`GET /v1/users/{user_id}`). Results are cached for 30 s.
    ///
    /// # Errors
    /// Returns [`ClerkError::NotFound`] if the user does not exist, or another [`ClerkError`] if the call
    /// failed.
    pub async fn user(&self, id: &UserId) -> Result<Arc<User>, ClerkError> {
        let fetch = || {
            let (client, id) = (self.clone(), id.clone());
            async move { with_lifetime(client.fetch_user(&id).await.map(Arc::new)) }
        };
        let user = self.0.users.get(id.clone(), fetch).await;
        user.unwrap_or(Err(ClerkError::Unavailable { cause: None }))
    }

    async fn fetch_user(&self, id: &UserId) -> Result<User, ClerkError> {
        let request = self.request(Method::GET, &["v1", "users", id.as_str()])?;
        let user: User = call::read("user", request).await?;
        // A proxy that confuses two answers must not show one user the data of another.
        if user.id == *id {
            Ok(user)
        } else {
            Err(ClerkError::UnexpectedBody)
        }
    }

    /// Returns all organization memberships of a user, from all pages
    /// (`GET /v1/users/{user_id}/organization_memberships`). Results are cached for 30 s.
    ///
    /// # Errors
    /// Same as [`user`](Self::user), and [`ClerkError::UnexpectedBody`] after 5,000 memberships. If one page
    /// fails, the whole call fails, because a partial list would look complete.
    pub async fn organization_memberships(&self, id: &UserId) -> Result<Arc<[Membership]>, ClerkError> {
        let fetch = || {
            let (client, id) = (self.clone(), id.clone());
            async move {
                let all = tokio::time::timeout(ALL_PAGES_TIMEOUT, client.fetch_memberships(&id)).await;
                with_lifetime(all.unwrap_or_else(|_| Err(OutboundError::Timeout.into())))
            }
        };
        let memberships = self.0.memberships.get(id.clone(), fetch).await;
        memberships.unwrap_or(Err(ClerkError::Unavailable { cause: None }))
    }

    async fn fetch_memberships(&self, id: &UserId) -> Result<Arc<[Membership]>, ClerkError> {
        let mut memberships: Vec<Membership> = Vec::new();
        let mut seen_ids = BTreeSet::new();
        let mut offset = 0;
        for _ in 0..MAX_PAGES {
            let request = self
                .request(
                    Method::GET,
                    &["v1", "users", id.as_str(), "organization_memberships"],
                )?
                .query(&[("limit", PAGE_SIZE), ("offset", offset)]);
            let page: types::MembershipPage = call::read("memberships", request).await?;
            // Memberships can change between two pages: duplicates are dropped, and an empty page ends the
            // loop even if `total_count` promises more.
            let received = page.data.len();
            offset += received;
            memberships.extend(
                page.data
                    .into_iter()
                    .filter(|membership| seen_ids.insert(membership.id.clone())),
            );
            if received == 0 || offset >= page.total_count {
                return Ok(memberships.into());
            }
        }
        // An endless list would use up Clerk's rate limit.
        log_limited!(
            warn,
            "endless-memberships",
            pages = MAX_PAGES,
            "Clerk's list of memberships does not end"
        );
        Err(ClerkError::UnexpectedBody)
    }

    /// Returns a user's membership in one organization, or `None` if the user is not a member
    /// (`GET /v1/organizations/{organization_id}/memberships?user_id=…`). The result is at most 30 s old, so
    /// a changed role or an ended membership takes effect within 30 s.
    ///
    /// ```
    /// # use clerk_mcp::{clerk::{ClerkClient, ClerkError}, id::{OrganizationId, UserId}};
    /// async fn is_admin(client: &ClerkClient, user: &UserId, of: &OrganizationId) -> Result<bool, ClerkError> {
    ///     Ok(client.organization_membership(user, of).await?.is_some_and(|one| one.role == "org:admin"))
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`user`](Self::user), except that an organization that does not exist has no members.
    pub async fn organization_membership(
        &self,
        user: &UserId,
        organization: &OrganizationId,
    ) -> Result<Option<Arc<Membership>>, ClerkError> {
        let key = (user.clone(), organization.clone());
        let client = self.clone();
        let fetch = {
            let (user, organization) = key.clone();
            || async move { with_lifetime(client.fetch_membership(&user, &organization).await) }
        };
        let found = self.0.organization_memberships.get(key, fetch).await;
        found.unwrap_or(Err(ClerkError::Unavailable { cause: None }))
    }

    async fn fetch_membership(&self, user: &UserId, organization: &OrganizationId) -> MembershipOutcome {
        let path = ["v1", "organizations", organization.as_str(), "memberships"];
        let request = self
            .request(Method::GET, &path)?
            .query(&[("user_id", user.as_str())]);
        let page: types::MembershipPage = match call::read("organization_membership", request).await {
            Err(ClerkError::NotFound) => return Ok(None),
            page => page?,
        };
        // Clerk ignores a filter for a user that it does not know, and then lists other members.
        for membership in page.data {
            let member = membership
                .public_user_data
                .as_ref()
                .ok_or(ClerkError::UnexpectedBody)?;
            if member.user_id == *user && membership.organization.id == *organization {
                return Ok(Some(Arc::new(membership)));
            }
        }
        Ok(None)
    }

    /// Verifies an opaque token with Clerk (`POST /oauth_applications/access_tokens/verify` and the endpoints
    /// for M2M tokens and API keys). Not cached here, because the lifetime of the result depends on its
    /// content.
    ///
    /// # Errors
    /// Returns [`ClerkError::NotFound`] or [`ClerkError::Rejected`] if Clerk does not know the token, and
    /// [`ClerkError::UnexpectedBody`] if the report is incomplete.
    pub(crate) async fn verify_opaque_token(
        &self,
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<TokenReport, ClerkError> {
        let (operation, path, member) = match kind {
            // Session tokens are never opaque. Clerk would reject one as an unknown access token.
            TokenKind::OAuthToken | TokenKind::SessionToken => (
                "verify_oauth_token",
                &["oauth_applications", "access_tokens", "verify"][..],
                "access_token",
            ),
            TokenKind::M2mToken => ("verify_m2m_token", &["m2m_tokens", "verify"][..], "token"),
            TokenKind::ApiKey => ("verify_api_key", &["api_keys", "verify"][..], "secret"),
        };
        // Verifying changes nothing in Clerk, so the POST is safe to retry.
        let request = self
            .request(Method::POST, path)?
            .json(&json!({ (member): token.expose() }));
        let report: TokenReport = call::read(operation, request).await?;
        if report.is_complete(kind) {
            Ok(report)
        } else {
            Err(ClerkError::UnexpectedBody)
        }
    }

    /// Returns the ids of the signing keys of the secret key's application (`GET /v1/jwks`).
    ///
    /// # Errors
    /// Returns [`ClerkError::KeyRejected`] if Clerk rejects the secret key.
    pub(crate) async fn signing_key_ids(&self) -> Result<BTreeSet<String>, ClerkError> {
        let keys: types::KeyIds = call::read("jwks", self.request(Method::GET, &["v1", "jwks"])?).await?;
        Ok(keys.keys.into_iter().filter_map(|key| key.kid).collect())
    }

    /// Creates a request to any operation of the Backend API, with the secret key and the API version set:
    /// `client.request(Method::GET, &["v1", "organizations", id])?`. Each segment is escaped, so an id cannot
    /// change the path.
    ///
    /// # Errors
    /// Returns [`ClerkError::NotFound`] for a segment that is empty, `.` or `..`: URLs cannot contain such a
    /// segment, and no object has such an id.
    pub fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, ClerkError> {
        if path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(ClerkError::NotFound);
        }
        let mut url = self.0.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(self
            .0
            .http
            .request(method, url)
            .bearer_auth(self.0.secret_key.expose_secret())
            .header("Clerk-API-Version", API_VERSION)
            .header(header::ACCEPT, "application/json"))
    }
}

/// Omits the secret key, and the HTTP client and caches.
impl fmt::Debug for ClerkClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkClient")
            .field("base", &self.0.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Adds the cache lifetime to an outcome. Failures are cached for a second, so that concurrent calls share
/// them.
fn with_lifetime<T>(outcome: Result<T, ClerkError>) -> (Result<T, ClerkError>, Duration) {
    let lifetime = if outcome.is_ok() {
        CACHE_LIFETIME
    } else {
        FAILURE_LIFETIME
    };
    (outcome, lifetime)
}

/// The API version whose responses the types in this module describe.
const API_VERSION: &str = "2026-05-12";
/// Clerk allows up to 500, but one membership can take several kilobytes, and responses are limited to 1 MiB.
const PAGE_SIZE: usize = 100;
const MAX_PAGES: usize = 50;
/// Less than the default `REQUEST_TIMEOUT`, so that the tool can still report the timeout.
const ALL_PAGES_TIMEOUT: Duration = Duration::from_secs(20);
const CACHE_LIFETIME: Duration = Duration::from_secs(30);
const FAILURE_LIFETIME: Duration = Duration::from_secs(1);
const CACHED_USERS: u64 = 1_000;
const CACHED_MEMBERSHIPS: u64 = 10_000;
