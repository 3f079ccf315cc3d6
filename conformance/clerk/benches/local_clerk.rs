//! Measures how long a local Clerk takes to start (with a prepared key), to mint a token, and to answer the requests of a
//! test suite: `cargo bench --package local-clerk`. The requests are sent one after the other on one connection, so their
//! times include the HTTP client.

use std::hint::black_box;

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use local_clerk::{AccessTokens, Authority, LocalClerk, LocalClerkBuilder, mint::SigningKey};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use url::Url;

#[expect(clippy::expect_used, reason = "a benchmark cannot continue without a runtime")]
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the runtime starts")
}

#[expect(
    clippy::expect_used,
    reason = "a benchmark cannot continue without a local Clerk"
)]
fn started(runtime: &Runtime, builder: LocalClerkBuilder) -> LocalClerk {
    runtime.block_on(builder.start()).expect("the local Clerk starts")
}

fn start(criterion: &mut Criterion) {
    let runtime = runtime();
    let key = SigningKey::generate("ins_bench");
    criterion.bench_function("start, http", |bencher| {
        bencher.iter(|| started(&runtime, LocalClerk::builder().signing_key(key.clone())));
    });
    criterion.bench_function("start, https with its own certificate authority", |bencher| {
        bencher.iter(|| {
            let builder = LocalClerk::builder().signing_key(key.clone());
            let builder = match Authority::generate() {
                Ok(authority) => builder.https(&authority),
                Err(_) => builder,
            };
            started(&runtime, builder)
        });
    });
}

fn mint(criterion: &mut Criterion) {
    let clerk = started(&runtime(), LocalClerk::builder());
    criterion.bench_function("mint a session token", |bencher| {
        bencher.iter(|| {
            clerk
                .session_token_in(black_box("Ada"), "analytical-engines")
                .map(|recipe| recipe.mint())
        });
    });
    criterion.bench_function("mint an OAuth access token", |bencher| {
        bencher.iter(|| {
            clerk
                .oauth_token(black_box("Ada"), "client", &["profile", "email"], None)
                .map(|recipe| recipe.mint())
        });
    });
}

/// An OAuth client of a local Clerk that signs Ada in without a page.
struct OAuthClient {
    clerk: LocalClerk,
    http: Client,
    id: String,
}

#[expect(
    clippy::unwrap_used,
    reason = "a benchmark cannot continue without its responses"
)]
impl OAuthClient {
    async fn start(tokens: AccessTokens) -> Self {
        let builder = LocalClerk::builder().auto_approve("Ada").access_tokens(tokens);
        let clerk = builder.start().await.unwrap();
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        let metadata = json!({
            "client_name": "bench",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            "scope": "profile email",
        });
        let url = format!("{}/oauth/register", clerk.frontend_api_url());
        let response = http.post(url).json(&metadata).send().await.unwrap();
        let registered: Value = response.json().await.unwrap();
        let id = registered
            .get("client_id")
            .and_then(Value::as_str)
            .unwrap()
            .to_owned();
        Self { clerk, http, id }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.clerk.frontend_api_url())
    }

    async fn jwks(&self) -> Response {
        let url = self.url("/.well-known/jwks.json");
        self.http.get(url).send().await.unwrap()
    }

    /// Signs in, and returns the code.
    async fn sign_in(&self) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", CALLBACK),
            ("state", "bench"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let request = self.http.get(self.url("/oauth/authorize")).query(&parameters);
        let response = request.send().await.unwrap();
        let location = response.headers().get("location").unwrap().to_str().unwrap();
        let location = Url::parse(location).unwrap();
        let mut parameters = location.query_pairs();
        parameters
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned()
    }

    /// Redeems a code, and returns the access token.
    async fn token(&self, code: &str) -> String {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", &self.id),
            ("code_verifier", VERIFIER),
        ];
        let request = self.http.post(self.url("/oauth/token")).form(&form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer
            .get("access_token")
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    }

    /// Verifies an opaque token with the Backend API.
    async fn verify(&self, token: &str) -> Response {
        let url = format!(
            "{}/oauth_applications/access_tokens/verify",
            self.clerk.backend_api_url()
        );
        let request = self.http.post(url).bearer_auth(self.clerk.secret_key());
        request
            .json(&json!({ "access_token": token }))
            .send()
            .await
            .unwrap()
    }
}

fn requests(criterion: &mut Criterion) {
    let runtime = runtime();
    let client = runtime.block_on(OAuthClient::start(AccessTokens::Opaque));
    let mut group = criterion.benchmark_group("requests");
    group.throughput(Throughput::Elements(1));
    group.bench_function("JWKS", |bencher| {
        bencher.iter(|| runtime.block_on(async { client.jwks().await.bytes().await }));
    });
    group.bench_function("sign-in without a page", |bencher| {
        bencher.iter(|| runtime.block_on(client.sign_in()));
    });
    let token = runtime.block_on(async { client.token(&client.sign_in().await).await });
    group.bench_function("verification of an opaque token", |bencher| {
        bencher.iter(|| runtime.block_on(async { client.verify(&token).await.bytes().await }));
    });
    let client = runtime.block_on(OAuthClient::start(AccessTokens::Jwt));
    group.bench_function("sign-in and token, a JWT", |bencher| {
        bencher.iter(|| runtime.block_on(async { client.token(&client.sign_in().await).await }));
    });
    group.finish();
}

const CALLBACK: &str = "http://127.0.0.1:49152/callback";
const VERIFIER: &str = "a-code-verifier-of-at-least-forty-three-characters";

criterion_group!(benches, start, mint, requests);
criterion_main!(benches);
