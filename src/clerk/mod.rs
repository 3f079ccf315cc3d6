//! The Backend API client: our secret key towards Clerk, never the caller's token.

mod error;
mod types;

use std::{fmt, sync::Arc};

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

pub use error::ClerkError;
pub use types::{EmailAddress, Membership, Organization, User};

use crate::{
    id::UserId,
    outbound::{OutboundError, read_body},
};

/// A client of one Clerk application's Backend API. Cheap to clone.
#[derive(Clone)]
pub struct ClerkClient(Arc<Inner>);

struct Inner {
    http: Client,
    base: Url,
    secret_key: SecretString,
}

impl ClerkClient {
    /// A client for the Backend API at `base` (`https://api.clerk.com`), which sends `secret_key` (`sk_…`) with every
    /// request. `http` should come from [`crate::outbound::client`]: it sets the time limits and refuses redirects.
    pub fn new(http: Client, base: Url, secret_key: SecretString) -> Self {
        Self(Arc::new(Inner {
            http,
            base,
            secret_key,
        }))
    }

    /// A user (`GET /v1/users/{user_id}`).
    ///
    /// # Errors
    /// [`ClerkError::NotFound`] when there is no such user, others as [`ClerkError`] says.
    pub async fn user(&self, id: &UserId) -> Result<User, ClerkError> {
        self.get(self.request(Method::GET, &["v1", "users", id.as_str()]))
            .await
    }

    /// All of a user's organization memberships, page by page
    /// (`GET /v1/users/{user_id}/organization_memberships`).
    ///
    /// # Errors
    /// As [`user`](Self::user); a page that fails fails the whole, for half a list would look like all of it.
    pub async fn organization_memberships(&self, id: &UserId) -> Result<Vec<Membership>, ClerkError> {
        let mut memberships: Vec<Membership> = Vec::new();
        loop {
            let page: types::MembershipPage = self
                .get(
                    self.request(
                        Method::GET,
                        &["v1", "users", id.as_str(), "organization_memberships"],
                    )
                    .query(&[("limit", PAGE_SIZE), ("offset", memberships.len())]),
                )
                .await?;
            // Memberships can come and go between two pages: the total of the newest page decides, and an empty page
            // ends it all the same.
            let received = page.data.len();
            for membership in page.data {
                if memberships.iter().all(|known| known.id != membership.id) {
                    memberships.push(membership);
                }
            }
            if received == 0 || memberships.len() >= page.total_count {
                return Ok(memberships);
            }
        }
    }

    /// A request to any other operation of the Backend API, with the secret key and the API version set:
    /// `client.request(Method::GET, &["v1", "organizations", id])`. Each segment is escaped, so no id can lead
    /// elsewhere.
    pub fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.0.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.0
            .http
            .request(method, url)
            .bearer_auth(self.0.secret_key.expose_secret())
            .header("Clerk-API-Version", API_VERSION)
            .header(header::ACCEPT, "application/json")
    }

    async fn get<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClerkError> {
        let response = request.send().await.map_err(OutboundError::from)?;
        let status = response.status();
        let retry_after = ClerkError::retry_after(response.headers());
        let body = read_body(response).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| ClerkError::UnexpectedBody);
        }
        Err(ClerkError::from_answer(status, retry_after, &body))
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

/// The version whose answers the types here were written for.
const API_VERSION: &str = "2026-05-12";
/// The most that Clerk gives at once.
const PAGE_SIZE: usize = 500;
