//! The Backend API: users, memberships, and what Clerk says of opaque tokens.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use reqwest::{Client, Method, StatusCode, header, redirect};
use serde_json::{Value, json};

use super::{
    caller::Caller,
    flaw::Flaw,
    keys::{MAX_BODY, TOTAL, client, read_body},
    now_milliseconds,
    refusal::Refusal,
    server::Server,
    verify::Kind,
};

/// Why Clerk did not answer as hoped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClerkError {
    KeyRefused,
    Forbidden,
    NotFound,
    /// When to come again, in seconds.
    RateLimited(Option<u64>),
    Unavailable,
    Unexpected,
    Refused(u16),
}

impl ClerkError {
    /// What the user gets to read.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::KeyRefused => "Clerk refused this server's secret key. Trying again won't help; tell the \
                                 server's operator."
                .to_owned(),
            Self::Forbidden => {
                "Clerk does not allow that for this application. Trying again won't help; tell \
                                the server's operator."
                    .to_owned()
            }
            Self::NotFound => {
                "Clerk knows nothing of that id; it may have been deleted. Trying again won't help."
                    .to_owned()
            }
            Self::RateLimited(wait) => {
                let wait = wait.unwrap_or(10);
                format!("Clerk is limiting this server's requests. Try again in {wait} s.")
            }
            Self::Unavailable => "Clerk is not available at the moment. Try again in a minute.".to_owned(),
            Self::Unexpected => {
                "Clerk answered in an unexpected form. Trying again is unlikely to help; tell the \
                                 server's operator."
                    .to_owned()
            }
            Self::Refused(status) => format!(
                "Clerk refused the request (HTTP status {status}). Trying again won't help; tell the server's \
                 operator."
            ),
        }
    }
}

type Answer = Result<Arc<Value>, ClerkError>;
type Shared<T> = Mutex<HashMap<String, Arc<tokio::sync::Mutex<T>>>>;
type Verdict = Option<(Result<Caller, Refusal>, Instant)>;

/// Connections to the Backend API, and what it said lately.
#[derive(Debug)]
pub(crate) struct Backend {
    http: Client,
    /// One lock per question, and below per token: whoever asks first, asks for all.
    answers: Shared<Option<(Answer, Instant)>>,
    verdicts: Shared<Verdict>,
}

impl Backend {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        let limit = if flaw == Some(Flaw::ToolWaits) {
            Duration::from_mins(1)
        } else {
            TOTAL
        };
        Self {
            http: client(redirect::Policy::none(), limit),
            answers: Mutex::default(),
            verdicts: Mutex::default(),
        }
    }
}

impl Server {
    /// A call that only reads, and so may be made again: three times at most, five seconds in all.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Result<Value, ClerkError> {
        let tries = async {
            let mut outcome = Err(ClerkError::Unavailable);
            let pauses = if self.has(Flaw::ManyRetries) {
                vec![20; 10]
            } else {
                vec![50, 100, 0]
            };
            for pause in pauses {
                outcome = self.ask_once(&method, path, body, key).await;
                let again = match &outcome {
                    Err(ClerkError::RateLimited(Some(wait))) => *wait <= 2,
                    Err(ClerkError::RateLimited(None) | ClerkError::Unavailable) => true,
                    _ => false,
                };
                if !again || pause == 0 || self.has(Flaw::NoRetries) {
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
            TOTAL
        };
        let outcome = tokio::time::timeout(limit, tries).await;
        outcome.unwrap_or(Err(ClerkError::Unavailable))
    }

    async fn ask_once(
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
        let response = request.send().await.map_err(|_| ClerkError::Unavailable)?;
        let status = response.status();
        let wait = response.headers().get(header::RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(ClerkError::KeyRefused),
            StatusCode::FORBIDDEN => return Err(ClerkError::Forbidden),
            StatusCode::NOT_FOUND => return Err(ClerkError::NotFound),
            StatusCode::TOO_MANY_REQUESTS => return Err(ClerkError::RateLimited(wait)),
            _ if status.is_server_error() => return Err(ClerkError::Unavailable),
            _ => return Err(ClerkError::Refused(status.as_u16())),
        }
        let length = response.content_length();
        match read_body(response, MAX_BODY).await {
            Some(body) => serde_json::from_slice(&body).map_err(|_| ClerkError::Unexpected),
            None if length.is_some_and(|length| length > 1 << 20) => Err(ClerkError::Unexpected),
            None => Err(ClerkError::Unavailable),
        }
    }

    /// An answer of the last 30 seconds, or a new one. A failure is not kept.
    async fn cached(
        &self,
        name: String,
        question: impl Future<Output = Result<Value, ClerkError>>,
    ) -> Answer {
        let place = Arc::clone(self.backend.answers.lock().entry(name).or_default());
        let mut held = place.lock().await;
        if let Some((answer, at)) = held.as_ref()
            && at.elapsed() < Duration::from_secs(30)
            && !self.has(Flaw::UsersNotCached)
        {
            return answer.clone();
        }
        let answer = question.await.map(Arc::new);
        if answer.is_ok() || self.has(Flaw::FailuresRemembered) {
            *held = Some((answer.clone(), Instant::now()));
        }
        answer
    }

    /// `GET /v1/users/{id}`.
    pub(crate) async fn user(&self, caller: &Caller, id: &str) -> Answer {
        let name = if self.has(Flaw::UserShared) {
            "user".to_owned()
        } else {
            format!("user {id}")
        };
        let key = self.key_for(caller);
        let user = self
            .cached(name, self.ask(Method::GET, &format!("/v1/users/{id}"), None, key))
            .await?;
        if user.get("id").is_some_and(Value::is_string) {
            Ok(user)
        } else {
            Err(ClerkError::Unexpected)
        }
    }

    /// `GET /v1/users/{id}/organization_memberships`, all pages.
    pub(crate) async fn memberships(&self, caller: &Caller, id: &str) -> Answer {
        let key = self.key_for(caller);
        let pages = async {
            let mut all: Vec<Value> = Vec::new();
            loop {
                let offset = all.len();
                let limit = if self.has(Flaw::OnePageOnly) { 10 } else { 100 };
                let path = format!("/v1/users/{id}/organization_memberships?limit={limit}&offset={offset}");
                let page = match self.ask(Method::GET, &path, None, key).await {
                    Err(_) if self.has(Flaw::HalfAList) => return Ok(Value::Array(all)),
                    page => page?,
                };
                let data = page.get("data").and_then(Value::as_array);
                let data = data.ok_or(ClerkError::Unexpected)?;
                let total = page.get("total_count").and_then(Value::as_u64);
                let total = total.ok_or(ClerkError::Unexpected)?;
                all.extend(data.iter().cloned());
                let whole = u64::try_from(all.len()).unwrap_or_default() >= total;
                if data.is_empty() || whole || self.has(Flaw::OnePageOnly) {
                    return Ok(Value::Array(all));
                }
            }
        };
        self.cached(format!("memberships {id}"), pages).await
    }

    /// Our key, never the caller's token.
    fn key_for<'a>(&'a self, caller: &'a Caller) -> &'a str {
        if self.has(Flaw::CallersTokenPassedOn) {
            &caller.token
        } else {
            &self.settings.secret_key
        }
    }

    /// The ids of the keys of the application that the secret key belongs to (`GET /v1/jwks`).
    pub(crate) async fn key_ids(&self) -> Result<Vec<String>, ClerkError> {
        let set = self
            .ask(Method::GET, "/v1/jwks", None, &self.settings.secret_key)
            .await?;
        let keys = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(ClerkError::Unexpected)?;
        let ids = keys.iter().filter_map(|key| key.get("kid")?.as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// The caller of an opaque token: what Clerk says, or said within the last minute.
    pub(crate) async fn opaque(&self, kind: Kind, token: &str) -> Result<Caller, Refusal> {
        if self.has(Flaw::OpaqueNotAsked) {
            return Ok(Caller::default());
        }
        if self.has(Flaw::OpaqueNotShared) || self.has(Flaw::OpaqueNotCached) {
            return self.verdict(kind, token).await;
        }
        let place = Arc::clone(self.backend.verdicts.lock().entry(token.to_owned()).or_default());
        let mut verdict = place.lock().await;
        if let Some((said, until)) = verdict.as_ref()
            && (Instant::now() < *until || self.has(Flaw::OpaqueCachedForever))
        {
            return said.clone();
        }
        let said = self.verdict(kind, token).await;
        let keep = match &said {
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
        *verdict = Some((said.clone(), Instant::now() + keep));
        said
    }

    async fn verdict(&self, kind: Kind, token: &str) -> Result<Caller, Refusal> {
        let (path, member) = match kind {
            Kind::OAuth | Kind::Session => ("/oauth_applications/access_tokens/verify", "access_token"),
            Kind::M2m => ("/m2m_tokens/verify", "token"),
            Kind::ApiKey => ("/api_keys/verify", "secret"),
        };
        let body = json!({ member: token });
        let report = self
            .ask(Method::POST, path, Some(&body), &self.settings.secret_key)
            .await;
        match report {
            Ok(report) => self.judge(kind, &report),
            Err(ClerkError::NotFound | ClerkError::Refused(400 | 422))
                if self.has(Flaw::UnknownTokensPass) =>
            {
                Ok(Caller::default())
            }
            Err(ClerkError::NotFound | ClerkError::Refused(400 | 422))
                if self.has(Flaw::UnknownTokensAs500) =>
            {
                Err(Refusal::Internal)
            }
            Err(ClerkError::NotFound | ClerkError::Refused(400 | 422)) => Err(Refusal::Invalid("unknown")),
            Err(_) if kind != Kind::OAuth && self.has(Flaw::MachineOutageAs401) => {
                Err(Refusal::Invalid("machine"))
            }
            Err(ClerkError::KeyRefused | ClerkError::Forbidden) => Err(Refusal::Misconfigured),
            Err(error) if self.has(Flaw::OutagePasses) || self.has(Flaw::OutageStopsAll) => {
                self.strike(Flaw::OutageStopsAll);
                if self.has(Flaw::OutagePasses) {
                    Ok(Caller::default())
                } else {
                    Err(unavailable(&error))
                }
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Clerk answers 200 for revoked and expired tokens, too, and says so with flags.
    fn judge(&self, kind: Kind, report: &Value) -> Result<Caller, Refusal> {
        let flag = |name| report.get(name).and_then(Value::as_bool);
        if flag("active") == Some(false) && !self.has(Flaw::InactiveIgnored) {
            return Err(Refusal::Invalid("inactive"));
        }
        let subject = report.get("subject").and_then(Value::as_str);
        let told = |name| flag(name).or_else(|| self.has(Flaw::FlagsNotNeeded).then_some(false));
        let (Some(subject), Some(revoked), Some(expired)) = (subject, told("revoked"), told("expired"))
        else {
            return Err(Refusal::Unavailable(5));
        };
        if revoked && !self.has(Flaw::RevokedIgnored) {
            return Err(Refusal::Invalid("revoked"));
        }
        // Seconds or milliseconds, told apart by size.
        let milliseconds = |name| {
            let time = report.get(name).and_then(Value::as_i64)?;
            let seconds = time < 1_000_000_000_000 && !self.has(Flaw::SecondsAsMilliseconds);
            Some(if seconds { time * 1_000 } else { time })
        };
        let expires_at = milliseconds("expiration");
        let over = expires_at.is_some_and(|expires| now_milliseconds() >= expires);
        let past = expired || over && !self.has(Flaw::ExpirationIgnored);
        if past && !self.has(Flaw::ExpiredIgnored) {
            return Err(Refusal::Expired);
        }
        let prefixes: &[&str] = match kind {
            Kind::OAuth | Kind::Session => &["user_"],
            Kind::M2m => &["mch_"],
            Kind::ApiKey => &["user_", "org_"],
        };
        let fits = prefixes.iter().any(|prefix| subject.starts_with(prefix));
        if !fits && !self.has(Flaw::OpaqueSubjectUnchecked) {
            return Err(Refusal::Invalid("subject"));
        }
        if !self.has(Flaw::OpaqueAudIgnored) {
            self.check_audience(kind, report.get("aud"))?;
        }
        let scopes = report.get("scopes").and_then(Value::as_array);
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

/// A user whom flaws take somebody for.
pub(crate) const DEMO_USER: &str = "user_2sAdaLovelace0000000000000A";

/// Clerk is away, for as long as it says.
fn unavailable(error: &ClerkError) -> Refusal {
    if let ClerkError::RateLimited(Some(wait)) = error {
        Refusal::Unavailable((*wait).clamp(5, 60))
    } else {
        Refusal::Unavailable(5)
    }
}
