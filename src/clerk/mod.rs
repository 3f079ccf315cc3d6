//! The Backend API client: our secret key towards Clerk, never the caller's token but to ask what it is.

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
    outbound::OutboundError,
    shared_cache::SharedCache,
    token::{BearerToken, TokenKind, TokenReport},
};

/// A client of one Clerk application's Backend API. Cheap to clone; clones share connections and caches.
/// In a tool it comes from [`get_client`](crate::context::get_client). What isn't among its methods is a request away:
///
/// ```no_run
/// use clerk_mcp::{context, mcp::ToolError};
/// use reqwest::Method;
///
/// async fn sign_out_everywhere() -> Result<String, ToolError> {
///     let (session, client) = (context::get_session()?, context::get_client()?);
///     for membership in client.organization_memberships(session.require_user()?).await?.iter() {
///         eprintln!("a member of {}", membership.organization.name);
///     }
///     let Some(id) = &session.session_id else { return Ok("No session of Clerk's.".to_owned()) };
///     let revoke = client.request(Method::POST, &["v1", "sessions", id.as_str(), "revoke"])?;
///     match revoke.send().await {
///         Ok(answer) if answer.status().is_success() => Ok("Signed out.".to_owned()),
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
    /// A client for the Backend API at `base` (`https://api.clerk.com`), which sends `secret_key` (`sk_…`) with every
    /// request. `http` should come from [`crate::outbound::client`]: it sets the time limits and refuses redirects.
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

    /// A user (`GET /v1/users/{user_id}`), at most 30 s old.
    ///
    /// # Errors
    /// [`ClerkError::NotFound`] when there is no such user, others as [`ClerkError`] says.
    pub async fn user(&self, id: &UserId) -> Result<Arc<User>, ClerkError> {
        let fetch = async { with_lifetime(self.fetch_user(id).await.map(Arc::new)) };
        self.0.users.get(id.clone(), fetch).await
    }

    async fn fetch_user(&self, id: &UserId) -> Result<User, ClerkError> {
        call::read("user", self.request(Method::GET, &["v1", "users", id.as_str()])?).await
    }

    /// All of a user's organization memberships, page by page, at most 30 s old
    /// (`GET /v1/users/{user_id}/organization_memberships`).
    ///
    /// # Errors
    /// As [`user`](Self::user); a page that fails fails the whole, for half a list would look like all of it.
    pub async fn organization_memberships(&self, id: &UserId) -> Result<Arc<[Membership]>, ClerkError> {
        let fetch = async {
            let all = tokio::time::timeout(ALL_PAGES_WITHIN, self.fetch_memberships(id)).await;
            with_lifetime(all.unwrap_or_else(|_| Err(OutboundError::Timeout.into())))
        };
        self.0.memberships.get(id.clone(), fetch).await
    }

    async fn fetch_memberships(&self, id: &UserId) -> Result<Arc<[Membership]>, ClerkError> {
        let mut memberships: Vec<Membership> = Vec::new();
        let mut seen_ids = BTreeSet::new();
        let mut offset = 0;
        loop {
            let request = self
                .request(
                    Method::GET,
                    &["v1", "users", id.as_str(), "organization_memberships"],
                )?
                .query(&[("limit", PAGE_SIZE), ("offset", offset)]);
            let page: types::MembershipPage = call::read("memberships", request).await?;
            // Memberships come and go between two pages: one that moved is taken once, and an empty page ends it
            // whatever the total says.
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
        let (client, key) = (self.clone(), (user.clone(), organization.clone()));
        // On a task of its own, so that the lookup that others wait for goes on when this caller disconnects.
        let lookup = tokio::spawn(async move {
            let (user, organization) = key.clone();
            let fetch = async { with_lifetime(client.fetch_membership(&user, &organization).await) };
            client.0.organization_memberships.get(key, fetch).await
        });
        lookup
            .await
            .unwrap_or(Err(ClerkError::Unavailable { cause: None }))
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

    /// What Clerk says of an opaque token (`POST /oauth_applications/access_tokens/verify` and its kin). Uncached: the
    /// answer's lifetime depends on what is in it.
    ///
    /// # Errors
    /// [`ClerkError::NotFound`] and [`ClerkError::Refused`] when Clerk doesn't know the token.
    pub(crate) async fn report(
        &self,
        kind: TokenKind,
        token: &BearerToken,
    ) -> Result<TokenReport, ClerkError> {
        let (operation, path, member) = match kind {
            // Session tokens are never opaque; asked about one, Clerk answers that it's no access token.
            TokenKind::OAuthToken | TokenKind::SessionToken => (
                "verify_oauth_token",
                &["oauth_applications", "access_tokens", "verify"][..],
                "access_token",
            ),
            TokenKind::M2mToken => ("verify_m2m_token", &["m2m_tokens", "verify"][..], "token"),
            TokenKind::ApiKey => ("verify_api_key", &["api_keys", "verify"][..], "secret"),
        };
        // It only looks: sending it again after a broken connection changes nothing.
        let request = self
            .request(Method::POST, path)?
            .json(&json!({ (member): token.expose() }));
        call::read(operation, request).await
    }

    /// The ids of the keys that the secret key's application signs with (`GET /v1/jwks`).
    ///
    /// # Errors
    /// [`ClerkError::KeyRefused`] when the secret key is not accepted.
    pub(crate) async fn signing_key_ids(&self) -> Result<BTreeSet<String>, ClerkError> {
        let keys: types::KeyIds = call::read("jwks", self.request(Method::GET, &["v1", "jwks"])?).await?;
        Ok(keys.keys.into_iter().filter_map(|key| key.kid).collect())
    }

    /// A request to any other operation of the Backend API, with the secret key and the API version set:
    /// `client.request(Method::GET, &["v1", "organizations", id])?`. Each segment is escaped, so no id can lead elsewhere.
    ///
    /// # Errors
    /// [`ClerkError::NotFound`] for a segment that is empty, `.` or `..`: no URL can say these, and nothing has such an id.
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

/// Without the key, and without anything that could hold it.
impl fmt::Debug for ClerkClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkClient")
            .field("base", &self.0.base.as_str())
            .finish_non_exhaustive()
    }
}

/// How long an answer may be used again. A failure stands for a second, so that those who ask at the same moment share it.
fn with_lifetime<T>(outcome: Result<T, ClerkError>) -> (Result<T, ClerkError>, Duration) {
    let lifetime = if outcome.is_ok() {
        KEEP_FOR
    } else {
        KEEP_FAILURE_FOR
    };
    (outcome, lifetime)
}

/// The version whose answers the types here were written for.
const API_VERSION: &str = "2026-05-12";
/// Clerk gives up to 500 at once, but each may be some kilobytes, and an answer is read to 1 MiB.
const PAGE_SIZE: usize = 100;
/// Less than a request's usual time limit, so that the tool can still say so.
const ALL_PAGES_WITHIN: Duration = Duration::from_secs(20);
const KEEP_FOR: Duration = Duration::from_secs(30);
const KEEP_FAILURE_FOR: Duration = Duration::from_secs(1);
const CACHED_USERS: u64 = 1_000;
const CACHED_MEMBERSHIPS: u64 = 10_000;
