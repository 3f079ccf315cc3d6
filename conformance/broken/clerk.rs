//! Calls to Clerk's Backend API: users, memberships, keys and lookups of opaque tokens.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    backend::{ApiResult, ClerkError},
    caller::{Caller, DEMO_USER},
    clock::now_milliseconds,
    flaw::Flaw,
    outbound::{MAX_BODY, REQUEST_TIMEOUT, read_body},
    refusal::Refusal,
    server::Server,
    token_kind::TokenKind,
};

impl Server {
    /// Calls the Backend API. All calls are reads, so they are retried: at most three attempts within 5 s.
    async fn call_api(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Result<Value, ClerkError> {
        let attempts = async {
            let mut outcome = Err(ClerkError::Unavailable);
            let pauses = if self.has(Flaw::ManyRetries) {
                vec![20; 10]
            } else {
                vec![50, 100, 0]
            };
            for pause in pauses {
                outcome = self.send_request(&method, path, body, key).await;
                let retryable = match &outcome {
                    Err(ClerkError::RateLimited(Some(wait))) => *wait <= 2,
                    Err(ClerkError::RateLimited(None) | ClerkError::Unavailable) => true,
                    _ => false,
                };
                if !retryable || pause == 0 || self.has(Flaw::NoRetries) {
                    break;
                }
                let wait = match &outcome {
                    Err(ClerkError::RateLimited(Some(wait))) => wait * 1_000,
                    _ => pause,
                };
                tokio::time::sleep(Duration::from_millis(wait.max(pause))).await;
            }
            outcome
        };
        let limit = if self.has(Flaw::ToolWaits) {
            Duration::from_mins(1)
        } else {
            REQUEST_TIMEOUT
        };
        let outcome = tokio::time::timeout(limit, attempts).await;
        outcome.unwrap_or(Err(ClerkError::Unavailable))
    }

    /// Sends one request and parses the response.
    async fn send_request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Result<Value, ClerkError> {
        let mut request = self
            .backend
            .http
            .request(method.clone(), format!("{}{path}", self.settings.backend))
            .bearer_auth(key)
            .header("Clerk-API-Version", "2026-05-12");
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|_| ClerkError::Unavailable)?;
        if let (Some(location), true) = (
            response
                .headers()
                .get(header::LOCATION)
                .and_then(|location| location.to_str().ok()),
            self.has(Flaw::BackendRedirectsFollowed),
        ) {
            // The client itself would not send the key to another origin.
            let redirected = self.backend.http.get(location).bearer_auth(key).send().await;
            response = redirected.map_err(|_| ClerkError::Unavailable)?;
        }
        let status = response.status();
        let wait = response.headers().get(header::RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(ClerkError::KeyRejected),
            StatusCode::FORBIDDEN => return Err(ClerkError::Forbidden),
            StatusCode::NOT_FOUND => return Err(ClerkError::NotFound),
            StatusCode::TOO_MANY_REQUESTS => return Err(ClerkError::RateLimited(wait)),
            _ if status.is_server_error() => return Err(ClerkError::Unavailable),
            _ => return Err(ClerkError::Rejected(status.as_u16())),
        }
        let length = response.content_length();
        if self.has(Flaw::BackendAnswersUnbounded) {
            let body = response.bytes().await.map_err(|_| ClerkError::Unavailable)?;
            return serde_json::from_slice(&body).map_err(|_| ClerkError::Unexpected);
        }
        match read_body(response).await {
            Some(body) => serde_json::from_slice(&body).map_err(|_| ClerkError::Unexpected),
            None if length.is_some_and(|length| length > MAX_BODY as u64) => Err(ClerkError::Unexpected),
            None => Err(ClerkError::Unavailable),
        }
    }

    /// Returns the answer of the last 30 seconds, or makes the call. Failures are not cached.
    async fn get_or_fetch(
        &self,
        name: String,
        call: impl Future<Output = Result<Value, ClerkError>>,
    ) -> ApiResult {
        let slot = Arc::clone(self.backend.answers.lock().entry(name).or_default());
        let mut cached = slot.lock().await;
        if let Some((answer, at)) = cached.as_ref()
            && at.elapsed() < Duration::from_secs(30)
            && !self.has(Flaw::UsersNotCached)
        {
            return answer.clone();
        }
        let answer = call.await.map(Arc::new);
        if answer.is_ok() || self.has(Flaw::FailuresRemembered) {
            *cached = Some((answer.clone(), Instant::now()));
        }
        answer
    }

    /// Fetches a user (`GET /v1/users/{id}`).
    pub(crate) async fn user(&self, caller: &Caller, id: &str) -> ApiResult {
        let organization = caller.organization.as_deref();
        let organization = organization.filter(|_| self.has(Flaw::UserPerOrganization));
        let name = match organization {
            Some(organization) => format!("user of {organization}"),
            None if self.has(Flaw::UserShared) => "user".to_owned(),
            None => format!("user {id}"),
        };
        let key = self.key_for(caller);
        let user = self
            .get_or_fetch(
                name,
                self.call_api(Method::GET, &format!("/v1/users/{id}"), None, key),
            )
            .await?;
        let right = user
            .get("id")
            .is_some_and(|given| given == id || self.has(Flaw::UserShared) || organization.is_some());
        if right || self.has(Flaw::OtherUserServed) {
            Ok(user)
        } else {
            Err(ClerkError::Unexpected)
        }
    }

    /// Returns a user's memberships, cached.
    pub(crate) async fn memberships(&self, caller: &Caller, id: &str) -> ApiResult {
        let fetch = self.fetch_memberships(caller, id);
        self.get_or_fetch(format!("memberships {id}"), fetch).await
    }

    /// Fetches all pages of a user's memberships (`GET /v1/users/{id}/organization_memberships`).
    pub(crate) async fn fetch_memberships(&self, caller: &Caller, id: &str) -> Result<Value, ClerkError> {
        let key = self.key_for(caller);
        let mut all: Vec<Value> = Vec::new();
        loop {
            let offset = all.len();
            let limit = if self.has(Flaw::OnePageOnly) { 10 } else { 100 };
            let path = format!("/v1/users/{id}/organization_memberships?limit={limit}&offset={offset}");
            let page = match self.call_api(Method::GET, &path, None, key).await {
                Err(_) if self.has(Flaw::HalfAList) => return Ok(Value::Array(all)),
                page => page?,
            };
            let data = page.get("data").and_then(Value::as_array);
            let data = data.ok_or(ClerkError::Unexpected)?;
            let total = page.get("total_count").and_then(Value::as_u64);
            let total = total.ok_or(ClerkError::Unexpected)?;
            all.extend(data.iter().cloned());
            let complete = u64::try_from(all.len()).unwrap_or_default() >= total;
            if data.is_empty() || complete || self.has(Flaw::OnePageOnly) {
                return Ok(Value::Array(all));
            }
        }
    }

    /// Returns the credential for the Backend API: the secret key, never the caller's token.
    fn key_for<'a>(&'a self, caller: &'a Caller) -> &'a str {
        if self.has(Flaw::CallersTokenPassedOn) {
            &caller.token
        } else {
            &self.settings.secret_key
        }
    }

    /// Fetches the key ids of the application that the secret key belongs to (`GET /v1/jwks`).
    pub(crate) async fn key_ids(&self) -> Result<Vec<String>, ClerkError> {
        let set = self
            .call_api(Method::GET, "/v1/jwks", None, &self.settings.secret_key)
            .await?;
        let keys = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(ClerkError::Unexpected)?;
        let ids = keys.iter().filter_map(|key| key.get("kid")?.as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Verifies an opaque token with Clerk. Results are cached for at most 60 s, rejections for 5 s.
    pub(crate) async fn verify_opaque(&self, kind: TokenKind, token: &str) -> Result<Caller, Refusal> {
        if self.has(Flaw::OpaqueNotAsked) {
            return Ok(Caller::default());
        }
        if self.has(Flaw::OpaqueNotShared) || self.has(Flaw::OpaqueNotCached) {
            return self.look_up_token(kind, token).await;
        }
        let name = match token.get(..4) {
            Some(prefix) if self.has(Flaw::LookupsByPrefix) => prefix,
            _ => token,
        };
        let name = if self.has(Flaw::LookupsInAnyCase) {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        let slot = Arc::clone(self.backend.lookups.lock().entry(name).or_default());
        if self.has(Flaw::LookupRefusesOthers) && slot.try_lock().is_err() {
            return Err(Refusal::Invalid("pending"));
        }
        let mut cached = slot.lock().await;
        if let Some((result, until)) = cached.as_ref()
            && (Instant::now() < *until || self.has(Flaw::OpaqueCachedForever))
        {
            return result.clone();
        }
        let result = self.look_up_token(kind, token).await;
        let lifetime = match &result {
            Ok(caller) => {
                let left = caller
                    .expires_at
                    .map_or(60_000, |expires| expires - now_milliseconds());
                Duration::from_millis(u64::try_from(left.clamp(0, 60_000)).unwrap_or_default())
            }
            Err(Refusal::Invalid(_) | Refusal::Expired) => Duration::from_secs(5),
            Err(_) if self.has(Flaw::OpaqueOutageKept) => Duration::from_mins(1),
            Err(_) => Duration::ZERO,
        };
        *cached = Some((result.clone(), Instant::now() + lifetime));
        result
    }

    /// Sends an opaque token to Clerk's verify endpoint.
    async fn look_up_token(&self, kind: TokenKind, token: &str) -> Result<Caller, Refusal> {
        let (path, member) = match kind {
            TokenKind::OAuth | TokenKind::Session => {
                ("/oauth_applications/access_tokens/verify", "access_token")
            }
            TokenKind::M2m => ("/m2m_tokens/verify", "token"),
            TokenKind::ApiKey => ("/api_keys/verify", "secret"),
        };
        let body = json!({ member: token });
        let with_token = format!("{path}?token={token}");
        let path = if self.has(Flaw::TokenInLookupUrl) {
            &with_token
        } else {
            path
        };
        let _blocked = match self.flaw {
            Some(Flaw::LookupBlocksAll) => Some(self.gate.lock().await),
            _ => None,
        };
        let report = self
            .call_api(Method::POST, path, Some(&body), &self.settings.secret_key)
            .await;
        match report {
            Ok(report) => self.caller_from_lookup(kind, &report),
            Err(ClerkError::NotFound | ClerkError::Rejected(400 | 422))
                if self.has(Flaw::UnknownTokensPass) =>
            {
                Ok(Caller::default())
            }
            Err(ClerkError::NotFound | ClerkError::Rejected(400 | 422))
                if self.has(Flaw::UnknownTokensAs500) =>
            {
                Err(Refusal::Internal)
            }
            Err(ClerkError::NotFound | ClerkError::Rejected(400 | 422)) => Err(Refusal::Invalid("unknown")),
            Err(ClerkError::RateLimited(_)) if self.has(Flaw::RateLimitAs401) => {
                Err(Refusal::Invalid("limit"))
            }
            Err(ClerkError::Unexpected) if self.has(Flaw::UnexpectedAnswerAs401) => {
                Err(Refusal::Invalid("answer"))
            }
            Err(_) if kind != TokenKind::OAuth && self.has(Flaw::MachineOutageAs401) => {
                Err(Refusal::Invalid("machine"))
            }
            Err(ClerkError::KeyRejected | ClerkError::Forbidden) => Err(Refusal::Misconfigured),
            Err(error) if self.has(Flaw::OutagePasses) || self.has(Flaw::OutageStopsAll) => {
                self.count_failure(Flaw::OutageStopsAll);
                if self.has(Flaw::OutagePasses) {
                    Ok(Caller::default())
                } else {
                    Err(unavailable(&error))
                }
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Builds the caller from Clerk's report on an opaque token. Clerk answers with 200 for revoked and
    /// expired tokens, too, and marks them with flags.
    fn caller_from_lookup(&self, kind: TokenKind, report: &Value) -> Result<Caller, Refusal> {
        let lenient = self.has(Flaw::WrongTypesAccepted);
        let flag = |name| {
            let flag = report.get(name)?;
            flag.as_bool()
                .or_else(|| self.has(Flaw::TextFlagsIgnored).then_some(false))
        };
        if flag("active") == Some(false) && !self.has(Flaw::InactiveIgnored) {
            return Err(Refusal::Invalid("inactive"));
        }
        let object = match kind {
            TokenKind::OAuth | TokenKind::Session => "clerk_idp_oauth_access_token",
            TokenKind::M2m => "machine_to_machine_token",
            TokenKind::ApiKey => "api_key",
        };
        if report.get("object").and_then(Value::as_str) != Some(object)
            && !self.has(Flaw::OpaqueObjectIgnored)
        {
            return Err(Refusal::Unavailable(5));
        }
        let first_subject = report.pointer("/subject/0").filter(|_| lenient);
        let subject = report.get("subject").and_then(Value::as_str);
        let subject = subject.or_else(|| first_subject.and_then(Value::as_str));
        let flag_or_default = |name| flag(name).or_else(|| self.has(Flaw::FlagsNotNeeded).then_some(false));
        let (Some(subject), Some(revoked), Some(expired)) =
            (subject, flag_or_default("revoked"), flag_or_default("expired"))
        else {
            return Err(Refusal::Unavailable(5));
        };
        if revoked && !self.has(Flaw::RevokedIgnored) {
            return Err(Refusal::Invalid("revoked"));
        }
        // Clerk sends seconds or milliseconds; only the magnitude tells which.
        let milliseconds = |name| {
            let time = report.get(name).and_then(Value::as_i64)?;
            let seconds = time < 1_000_000_000_000 && !self.has(Flaw::SecondsAsMilliseconds);
            Some(if seconds { time * 1_000 } else { time })
        };
        let expiration = report
            .get("expiration")
            .filter(|expiration| !expiration.is_null());
        if expiration.is_some_and(|expiration| !expiration.is_i64()) && !lenient {
            return Err(Refusal::Unavailable(5));
        }
        let expires_at = milliseconds("expiration");
        let is_past = expires_at.is_some_and(|expires| now_milliseconds() >= expires);
        let has_expired =
            expired && !self.has(Flaw::ExpiredFlagIgnored) || is_past && !self.has(Flaw::ExpirationIgnored);
        if has_expired && !self.has(Flaw::ExpiredIgnored) {
            return Err(Refusal::Expired);
        }
        let prefixes: &[&str] = match kind {
            TokenKind::OAuth | TokenKind::Session => &["user_"],
            TokenKind::M2m => &["mch_"],
            TokenKind::ApiKey => &["user_", "org_"],
        };
        let fits = prefixes.iter().any(|prefix| subject.starts_with(prefix));
        if !fits && !self.has(Flaw::OpaqueSubjectUnchecked) {
            return Err(Refusal::Invalid("subject"));
        }
        if !self.has(Flaw::OpaqueAudIgnored) {
            self.check_audience(kind, report.get("aud"))?;
        }
        let scopes = report.get("scopes").and_then(Value::as_array);
        let all: Vec<Value> = self
            .settings
            .required_scopes
            .iter()
            .map(|scope| scope.as_str().into())
            .collect();
        let scopes = scopes.or_else(|| self.has(Flaw::NullScopesGrantAll).then_some(&all));
        let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
        Ok(Caller {
            user: match subject {
                _ if self.has(Flaw::ApiKeysAreUsers) => Some(DEMO_USER.to_owned()),
                _ => subject.starts_with("user_").then(|| subject.to_owned()),
            },
            organization: subject.starts_with("org_").then(|| subject.to_owned()),
            scopes: scopes
                .filter(|_| !self.has(Flaw::OpaqueScopesLost))
                .map(str::to_owned)
                .collect(),
            expires_at,
            issued_at: milliseconds("created_at"),
            ..Caller::default()
        })
    }
}

/// Returns the refusal for an unavailable Clerk, with Clerk's own `Retry-After` within 5 to 60 s.
fn unavailable(error: &ClerkError) -> Refusal {
    if let ClerkError::RateLimited(Some(wait)) = error {
        Refusal::Unavailable((*wait).clamp(5, 60))
    } else {
        Refusal::Unavailable(5)
    }
}
