//! Measures the parts of a request without the network: `cargo bench --bench parts`.

#![expect(clippy::unwrap_used, reason = "a benchmark, not part of the server")]

use std::{collections::HashMap, hint::black_box, sync::Arc, time::Duration};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use clerk_mcp::{
    app::App,
    auth::{AuthError, Authenticator, ChallengeContext},
    clock::SystemClock,
    config::{Config, Variables},
    policy::Requirement,
    token::{
        AudiencePolicy, BearerError, BearerToken, ResourceNames, StaticKey, TokenKind, TokenPolicy,
        TokenVerifier,
    },
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use local_clerk::{
    LocalClerk,
    mint::{Recipe, SigningKey},
};
use poem::{Endpoint, Request};
use tokio::runtime::{Builder, Runtime};

const BASE_URL: &str = "https://mcp.example.com";
const ISSUER: &str = "https://clerk.example.com";
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"}}}"#;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn policy() -> TokenPolicy {
    TokenPolicy {
        issuer: ISSUER.to_owned(),
        accepted: vec![TokenKind::OAuthToken],
        audience: AudiencePolicy::Required,
        session_audience: AudiencePolicy::IfPresent,
        accepted_audiences: Vec::new(),
        resources: ResourceNames::new(&BASE_URL.parse().unwrap()),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(5),
    }
}

fn verifier(key: &SigningKey) -> TokenVerifier {
    let key = StaticKey::from_pem(&key.public_key_pem()).unwrap();
    TokenVerifier::new(key, policy(), Arc::new(SystemClock))
}

fn token(key: &SigningKey) -> String {
    Recipe::new()
        .header("alg", "RS256")
        .header("typ", "at+jwt")
        .header("kid", key.kid())
        .claim("iss", ISSUER)
        .claim("sub", "user_2bench")
        .claim("aud", "https://mcp.example.com/mcp")
        .claim("client_id", "client_2bench")
        .claim("scope", "profile email")
        .claim("exp", 4_000_000_000_u64)
        .signed_by(key)
        .mint()
}

/// Verifies tokens, and for comparison their signature alone.
fn tokens(criterion: &mut Criterion) {
    let (runtime, key) = (runtime(), SigningKey::generate("ins_bench"));
    let text = token(&key);
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {text}")).unwrap(),
    );
    criterion.bench_function("bearer token of a request", |bencher| {
        bencher.iter(|| BearerToken::from_headers(black_box(&headers)));
    });

    let pem = key.public_key_pem();
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64_STANDARD.decode(der).unwrap();
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der).unwrap();
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    criterion.bench_function("signature alone, aws-lc-rs", |bencher| {
        bencher.iter(|| public.verify_sig(black_box(signed.as_bytes()), &signature));
    });

    let (unseen, bearer) = (verifier(&key), text.parse::<BearerToken>().unwrap());
    assert!(runtime.block_on(unseen.verify(&bearer)).is_ok());
    criterion.bench_function("token, unseen", |bencher| {
        bencher.iter(|| runtime.block_on(unseen.verify(black_box(&bearer))));
    });

    let resources = ResourceNames::new(&BASE_URL.parse().unwrap());
    let challenge = ChallengeContext::new(&resources, Vec::new());
    let authenticator = Authenticator::new(verifier(&key), None, challenge);
    assert!(runtime.block_on(authenticator.authenticate(&headers)).is_ok());
    criterion.bench_function("token, seen", |bencher| {
        bencher.iter(|| runtime.block_on(authenticator.authenticate(black_box(&headers))));
    });
}

/// The checks of a policy, and the response to a request that does not pass.
fn rejections(criterion: &mut Criterion) {
    let runtime = runtime();
    let clerk = runtime.block_on(LocalClerk::builder().start()).unwrap();
    let resources = ResourceNames::new(&BASE_URL.parse().unwrap());
    let challenge = ChallengeContext::new(&resources, vec!["profile".to_owned(), "email".to_owned()]);
    criterion.bench_function("challenge", |bencher| {
        bencher.iter(|| {
            AuthError::from(black_box(BearerError::Missing))
                .refusal()
                .into_response(&challenge)
        });
    });

    let key = clerk.signing_key();
    let policy = TokenPolicy {
        issuer: clerk.issuer().to_owned(),
        accepted: vec![TokenKind::SessionToken],
        ..policy()
    };
    let key = StaticKey::from_pem(&key.public_key_pem()).unwrap();
    let verifier = TokenVerifier::new(key, policy, Arc::new(SystemClock));
    let authenticator = Authenticator::new(verifier, None, challenge);
    let recipe = clerk.session_token_in("ada", "analytical-engines").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {}", recipe.mint())).unwrap(),
    );
    let session = runtime.block_on(authenticator.authenticate(&headers)).unwrap();
    let requirement = session
        .organization_permissions
        .iter()
        .fold(Requirement::new(), |requirement, permission| {
            requirement.permissions([permission.as_str()])
        });
    assert!(requirement.check(&session).is_ok());
    criterion.bench_function("permissions of a tool", |bencher| {
        bencher.iter(|| requirement.check(black_box(&session)));
    });
}

/// Whole requests, from the endpoint of the app to the response.
fn requests(criterion: &mut Criterion) {
    let runtime = runtime();
    let clerk = runtime.block_on(LocalClerk::builder().start()).unwrap();
    let mut values: HashMap<&str, String> = clerk.environment().into_iter().collect();
    values.insert("BASE_URL", BASE_URL.to_owned());
    let lookup = |name: &str| values.get(name).cloned();
    let variables = Variables::from_sources(&HashMap::new(), lookup, None).unwrap();
    let app = App::builder(&Config::from_variables(&variables).unwrap())
        .build()
        .unwrap();
    let resource = format!("{BASE_URL}/mcp");
    let token = clerk
        .oauth_token("ada", "client_bench", &["email"], Some(&resource))
        .unwrap()
        .mint();
    let request = |method: Method, path: &str| {
        Request::builder()
            .method(method)
            .uri_str(path)
            .header("Host", "mcp.example.com")
            .header("Accept", "application/json, text/event-stream")
    };
    let call = |content_type: &str| {
        request(Method::POST, "/mcp")
            .header("Authorization", format!("Bearer {token}"))
            .content_type(content_type)
            .body(CALL)
    };
    let mut measure = |name: &str, status: u16, request: &dyn Fn() -> Request| {
        let send = |request| {
            runtime.block_on(async {
                let response = app.endpoint.get_response(request).await;
                (response.status(), response.into_body().into_bytes().await)
            })
        };
        assert_eq!(send(request()).0, status, "{name}");
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched(request, send, criterion::BatchSize::SmallInput);
        });
    };
    measure("/healthz", 200, &|| request(Method::GET, "/healthz").finish());
    measure("401 without a token", 401, &|| {
        request(Method::POST, "/mcp").body(CALL)
    });
    measure("body that is not a message", 400, &|| {
        request(Method::POST, "/mcp")
            .header("Authorization", format!("Bearer {token}"))
            .content_type("application/json")
            .body(CALL.replace("\"2.0\"", "\"1.0\""))
    });
    measure("tools/call, direct", 200, &|| call("application/json"));
    measure("tools/call, through rmcp", 200, &|| {
        call("application/json; charset=utf-8")
    });
}

criterion_group!(benches, tokens, rejections, requests);
criterion_main!(benches);
