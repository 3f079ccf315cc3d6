//! Starts a local Clerk and sends requests to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
};

use aws_lc_rs::digest;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use local_clerk::{AccessTokens, Authority, LocalClerk, LocalClerkBuilder, mint::SigningKey};
use reqwest::{Certificate, StatusCode, redirect};
use serde_json::{Value, json};
use url::Url;

pub(crate) const ADA: &str = "user_2sAdaLovelace0000000000000A";
pub(crate) const GRACE: &str = "user_2sGraceHopper0000000000000G";
pub(crate) const ALAN: &str = "user_2sAlanTuring00000000000000T";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:49152/callback";
pub(crate) const RESOURCE: &str = "http://127.0.0.1:3001/mcp";
pub(crate) const STATE: &str = "state-of-the-client";
pub(crate) const VERIFIER: &str = "a-code-verifier-of-at-least-forty-three-characters";
/// 2026-11-23T00:00:00Z
pub(crate) const START: i64 = 1_795_392_000;

/// Generated once, because generating a key takes longer than the rest of a test.
pub(crate) static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate("ins_2sConformanceTests00000000"));

/// A clock that moves only when a test advances it.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    pub(crate) fn advance(&self, duration: SignedDuration) {
        self.0.fetch_add(duration.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// A running local Clerk, its clock and an HTTP client that does not follow redirects.
pub(crate) struct Harness {
    pub(crate) clerk: LocalClerk,
    pub(crate) clock: ManualClock,
    pub(crate) http: reqwest::Client,
}

/// A registered OAuth client.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// An HTTP response with its whole body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Sends a request and reads the response.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            body: response.text().await.unwrap(),
        }
    }

    /// Parses the body, which must be declared as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{}",
            self.body
        );
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the parameters of a redirect to [`CALLBACK`].
    #[track_caller]
    pub(crate) fn callback(&self) -> BTreeMap<String, String> {
        let location = self
            .header("location")
            .unwrap_or_else(|| panic!("{} {}", self.status, self.body));
        assert!(location.starts_with(CALLBACK), "{location}");
        Url::parse(location).unwrap().query_pairs().into_owned().collect()
    }

    #[track_caller]
    pub(crate) fn assert_oauth_error(&self, status: u16, error: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.json()["error"], error, "{}", self.body);
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    /// Starts a local Clerk where Ada signs in without a page.
    pub(crate) async fn auto_approving() -> Self {
        Self::start_with(|builder| builder.auto_approve("Ada")).await
    }

    /// Starts a local Clerk that issues opaque access tokens to Ada without a page.
    pub(crate) async fn opaque() -> Self {
        Self::start_with(|builder| builder.auto_approve("Ada").access_tokens(AccessTokens::Opaque)).await
    }

    /// Starts a local Clerk over https, with an HTTP client that trusts only its authority.
    pub(crate) async fn https() -> Self {
        let authority = Authority::generate().unwrap();
        let certificate = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let mut harness = Self::start_with(|builder| builder.https(&authority)).await;
        harness.http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .tls_certs_only([certificate])
            .build()
            .unwrap();
        harness
    }

    pub(crate) async fn start_with(settings: impl FnOnce(LocalClerkBuilder) -> LocalClerkBuilder) -> Self {
        let clock = ManualClock::new();
        let moved = clock.clone();
        let builder = LocalClerk::builder()
            .signing_key(KEY.clone())
            .clock(move || moved.now());
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            clerk: settings(builder).start().await.unwrap(),
            clock,
            http,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.clerk.frontend_api_url())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(self.url(path)).form(form)).await
    }

    /// Sends a GET request to the Backend API with the secret key.
    pub(crate) async fn backend(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.clerk.backend_api_url());
        Answer::of(self.http.get(url).bearer_auth(self.clerk.secret_key())).await
    }

    /// Verifies an access token with the Backend API.
    pub(crate) async fn verify(&self, token: &str) -> Answer {
        let url = format!(
            "{}/oauth_applications/access_tokens/verify",
            self.clerk.backend_api_url()
        );
        let request = self.http.post(url).bearer_auth(self.clerk.secret_key());
        Answer::of(request.json(&json!({ "access_token": token }))).await
    }

    pub(crate) async fn post_registration(&self, metadata: &Value) -> Answer {
        Answer::of(self.http.post(self.url("/oauth/register")).json(metadata)).await
    }

    pub(crate) async fn register(&self, method: &str, scope: &str) -> Registered {
        let metadata = json!({
            "client_name": "Test client",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": method,
            "scope": scope,
        });
        let body = self.post_registration(&metadata).await.json();
        Registered {
            id: body["client_id"].as_str().unwrap().to_owned(),
            secret: body["client_secret"].as_str().map(str::to_owned),
        }
    }

    pub(crate) async fn public_client(&self) -> Registered {
        self.register("none", "openid profile email offline_access user:org:read")
            .await
    }

    /// Sends a valid authorization request with `changes`. An empty value removes a parameter.
    pub(crate) async fn authorize(&self, client: &Registered, changes: &[(&str, &str)]) -> Answer {
        let challenge = code_challenge(VERIFIER);
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", CALLBACK),
            ("state", STATE),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        parameters.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        Answer::of(self.http.get(self.url("/oauth/authorize")).query(&parameters)).await
    }

    /// Gets a code for a client from a local Clerk that signs users in without a page.
    pub(crate) async fn code(&self, client: &Registered, changes: &[(&str, &str)]) -> String {
        self.authorize(client, changes)
            .await
            .callback()
            .remove("code")
            .expect("a code")
    }

    /// Redeems a code with a valid request with `changes`. An empty value removes a parameter.
    pub(crate) async fn redeem(&self, client: &Registered, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", &client.id),
            ("code_verifier", VERIFIER),
        ];
        if let Some(secret) = &client.secret {
            form.push(("client_secret", secret));
        }
        form.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.post("/oauth/token", &form).await
    }

    pub(crate) async fn refresh(&self, client: &Registered, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", client.id.as_str()),
        ];
        if let Some(secret) = &client.secret {
            form.push(("client_secret", secret));
        }
        form.extend(more);
        self.post("/oauth/token", &form).await
    }

    /// Sends an authorization request, redeems the code and returns the token response.
    pub(crate) async fn tokens(&self, client: &Registered, changes: &[(&str, &str)]) -> Value {
        let code = self.code(client, changes).await;
        let answer = self.redeem(client, &code, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }
}

pub(crate) fn code_challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// Decodes a part of a token without checking the signature.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let encoded = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Returns snapshot settings that sort members. Their order otherwise depends on a feature of `serde_json`
/// that other crates may turn on.
pub(crate) fn sorted() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_sort_maps(true);
    settings
}
