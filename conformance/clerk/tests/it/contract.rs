//! Validates responses against the schemas of Clerk's own API descriptions (`fixtures/clerk/`).

use jiff::SignedDuration;
use jsonschema::Validator;
use local_clerk::{Endpoint, Fault, NewCredential, RateLimit, SessionStatus};
use serde_json::{Value, json};

use crate::support::{ADA, ALAN, Answer, CALLBACK, GRACE, Harness, RESOURCE, Registered, claims, text};

const BACKEND: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/clerk/backend-api.schema.json"
));
const FRONTEND: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/clerk/frontend-api.schema.json"
));

/// Returns how `body` violates a `definition` of an API description.
fn violations(description: &str, definition: &str, body: &Value) -> Vec<String> {
    let mut schema: Value = serde_json::from_str(description).unwrap();
    assert!(schema["$defs"].get(definition).is_some(), "no {definition}");
    schema["$ref"] = json!(format!("#/$defs/{definition}"));
    let validator: Validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[track_caller]
fn assert_valid(description: &str, definition: &str, body: &Value) {
    let violations = violations(description, definition, body);
    assert!(violations.is_empty(), "{definition}: {violations:#?}\n{body:#}");
}

#[tokio::test]
async fn api_descriptions_reject_invalid_objects() {
    let harness = Harness::start().await;
    let user = harness.backend(&format!("/users/{ADA}")).await.json();
    let mut lacking = user.clone();
    lacking.as_object_mut().unwrap().remove("banned");
    let mut surplus = user.clone();
    surplus["favorite_color"] = json!("green");
    let mut wrong = user;
    wrong["email_addresses"][0]["reserved"] = json!("no");
    for body in [lacking, surplus, wrong] {
        assert_eq!(violations(BACKEND, "User", &body).len(), 1, "{body:#}");
    }
}

#[tokio::test]
async fn backend_api_responses_match_the_description() {
    let harness = Harness::start().await;
    let session = harness
        .clerk
        .session_token(ADA)
        .unwrap()
        .claim_value("sid")
        .unwrap()
        .clone();
    harness.clerk.ban_user(GRACE).unwrap();
    for (path, definition) in [
        (format!("/users/{ADA}"), "User"),
        (format!("/users/{GRACE}"), "User"),
        (
            format!("/users/{ADA}/organization_memberships"),
            "OrganizationMemberships",
        ),
        (
            format!("/users/{ALAN}/organization_memberships"),
            "OrganizationMemberships",
        ),
        ("/organizations/compiler-works".to_owned(), "Organization"),
        (
            "/organizations/org_2sCompilerWorks0000000000CW?include_members_count=true".to_owned(),
            "Organization",
        ),
        (
            "/organizations/compiler-works/memberships".to_owned(),
            "OrganizationMemberships",
        ),
        (format!("/sessions/{}", session.as_str().unwrap()), "Session"),
        ("/jwks".to_owned(), "JWKS"),
    ] {
        for version in ["", "/v1"] {
            let answer = harness.backend(&format!("{version}{path}")).await;
            assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.body);
            assert_valid(BACKEND, definition, &answer.json());
        }
    }
    for path in [
        "/users/user_x",
        "/nothing",
        "/users/x/organization_memberships?limit=x",
    ] {
        assert_valid(BACKEND, "ClerkErrors", &harness.backend(path).await.json());
    }
}

#[tokio::test]
async fn access_token_verification_matches_the_description() {
    for harness in [Harness::auto_approving().await, Harness::opaque().await] {
        let client = harness.public_client().await;
        let tokens = harness.tokens(&client, &[]).await;
        assert_valid(
            BACKEND,
            "AccessToken",
            &harness.verify(text(&tokens, "access_token")).await.json(),
        );
        assert_valid(
            BACKEND,
            "ClerkErrors",
            &harness.verify("oat_unknown").await.json(),
        );
        let expired = harness
            .clerk
            .oauth_token(ADA, "client", &[], None)
            .unwrap()
            .claim("exp", 1)
            .mint();
        assert_valid(BACKEND, "AccessToken", &harness.verify(&expired).await.json());
    }
}

#[tokio::test]
async fn frontend_api_responses_match_the_description() {
    let harness = Harness::auto_approving().await;
    for (path, definition) in [
        ("/.well-known/jwks.json", "JWKS"),
        (
            "/.well-known/oauth-authorization-server",
            "WellKnown.OAuth2AuthorizationServerMetadata",
        ),
        (
            "/.well-known/openid-configuration",
            "WellKnown.OpenIDConfiguration",
        ),
    ] {
        let body = harness.get(path).await.json();
        assert_valid(FRONTEND, definition, &body);
        if definition != "JWKS" {
            assert_eq!(body["issuer"], harness.clerk.issuer());
        }
    }
    let registered = harness
        .post_registration(&json!({ "redirect_uris": [CALLBACK], "scope": "openid profile email user:org:read public_metadata private_metadata" }))
        .await
        .json();
    assert_valid(FRONTEND, "OAuth.DynamicClientRegistrationResponse", &registered);
    let refused = harness
        .post_registration(&json!({ "redirect_uris": [] }))
        .await
        .json();
    assert_valid(FRONTEND, "OAuth.DynamicClientRegistrationError", &refused);

    let client = Registered {
        id: text(&registered, "client_id").to_owned(),
        secret: Some(text(&registered, "client_secret").to_owned()),
    };
    let tokens = harness.tokens(&client, &[]).await;
    assert_valid(FRONTEND, "OAuth.Token", &tokens);
    let access_token = text(&tokens, "access_token");
    let userinfo = harness.http.get(harness.url("/oauth/userinfo"));
    assert_valid(
        FRONTEND,
        "OAuth.UserInfo",
        &Answer::of(userinfo.bearer_auth(access_token)).await.json(),
    );
    let userinfo = Answer::of(harness.http.get(harness.url("/oauth/userinfo"))).await;
    assert_valid(FRONTEND, "ClerkErrors", &userinfo.json());
    for token in [access_token, text(&tokens, "refresh_token"), "unknown"] {
        let form = [
            ("client_id", &*client.id),
            ("client_secret", client.secret.as_deref().unwrap()),
            ("token", token),
        ];
        assert_valid(
            FRONTEND,
            "OAuth.TokenInfo",
            &harness.post("/oauth/token_info", &form).await.json(),
        );
    }
}

#[tokio::test]
async fn m2m_tokens_and_api_keys_match_the_description_in_every_state() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let receiver = clerk.add_machine("receiver", &[]);
    let sender = clerk.add_machine("sender", &[&receiver.id]);
    let new = || NewCredential {
        name: "CI".to_owned(),
        claims: Some(json!({ "a": [1] })),
        expires_in: Some(SignedDuration::from_mins(1)),
        ..Default::default()
    };
    let ask = async |path: &str, body: Value| {
        let url = format!("{}{path}", clerk.backend_api_url());
        Answer::of(harness.http.post(url).bearer_auth(clerk.secret_key()).json(&body)).await
    };
    let subjects = [ADA, "compiler-works", &sender.id];
    let tokens = [(); 3].map(|()| clerk.opaque_m2m_token(&sender.id, new()).unwrap());
    let keys = subjects.map(|subject| clerk.api_key(subject, new()).unwrap());
    for round in 0..3 {
        for prefix in ["", "/v1"] {
            for token in &tokens {
                let body = ask(
                    &format!("{prefix}/m2m_tokens/verify"),
                    json!({ "token": token.secret }),
                )
                .await;
                assert_valid(BACKEND, "M2MToken", &body.json());
            }
            for key in &keys {
                let body = ask(
                    &format!("{prefix}/api_keys/verify"),
                    json!({ "secret": key.secret }),
                )
                .await;
                assert_valid(BACKEND, "ApiKey", &body.json());
            }
        }
        for issued in [&tokens[round], &keys[round]] {
            clerk.revoke_token(&issued.id).unwrap();
        }
        harness.clock.advance(SignedDuration::from_secs(30));
    }
    for (path, body, status) in [
        ("/m2m_tokens/verify", json!({ "token": "mt_x" }), 404),
        ("/m2m_tokens/verify", json!({ "secret": "mt_x" }), 400),
        ("/api_keys/verify", json!({ "secret": "ak_x" }), 404),
        ("/api_keys/verify", json!([]), 400),
    ] {
        let answer = ask(path, body).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_valid(BACKEND, "ClerkErrors", &answer.json());
    }
}

#[tokio::test]
async fn sessions_match_the_description_in_every_status() {
    let harness = Harness::start().await;
    let token = harness.clerk.impersonation_token(ADA, GRACE).unwrap().mint();
    let id = text(&claims(&token), "sid").to_owned();
    for status in SessionStatus::ALL {
        harness.clerk.set_session_status(&id, status).unwrap();
        let session = harness.backend(&format!("/sessions/{id}")).await.json();
        assert_eq!(session["status"], status.name());
        assert_valid(BACKEND, "Session", &session);
    }
}

#[tokio::test]
async fn backend_api_errors_match_the_description() {
    let limit = RateLimit {
        requests: 1,
        period: std::time::Duration::from_secs(1),
    };
    let harness = Harness::start_with(|builder| builder.rate_limit(limit)).await;
    for path in ["/v1/nothing", "/v1/nothing"] {
        assert_valid(BACKEND, "ClerkErrors", &harness.backend(path).await.json());
    }
    assert_eq!(harness.backend("/v1/nothing").await.status.as_u16(), 429);
    let url = format!("{}/v1/jwks", harness.clerk.backend_api_url());
    for request in [
        harness.http.get(&url),
        harness.http.get(&url).bearer_auth("sk_test_wrong"),
        harness.http.delete(&url).bearer_auth(harness.clerk.secret_key()),
        harness
            .http
            .get(format!("{url}?__clerk_api_version=1999-12-31"))
            .bearer_auth(harness.clerk.secret_key()),
    ] {
        let answer = Answer::of(request).await;
        assert!(answer.status.is_client_error());
        assert_valid(BACKEND, "ClerkErrors", &answer.json());
    }
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        harness
            .clerk
            .inject(Fault::Status(status).at(Endpoint::BackendJwks).times(1));
        let answer = harness.backend("/v1/jwks").await;
        assert_eq!(answer.status.as_u16(), status);
        assert_valid(BACKEND, "ClerkErrors", &answer.json());
    }
}

#[tokio::test]
async fn authorization_server_errors_match_the_description() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let code = harness.code(&client, &[("resource", RESOURCE)]).await;
    for (changes, definition) in [
        (&[("grant_type", "")][..], "OAuth.TokenError400"),
        (&[("code", "")], "OAuth.TokenError400"),
        (&[("code", "unknown")], "OAuth.TokenError400"),
        (&[("code_verifier", "wrong")], "OAuth.TokenError400"),
        (&[("redirect_uri", "http://127.0.0.1/")], "OAuth.TokenError400"),
        (&[("grant_type", "password")], "OAuth.TokenError401"),
        (&[("client_id", "unknown")], "OAuth.TokenError401"),
        (&[("client_secret", "surplus")], "OAuth.TokenError401"),
    ] {
        let answer = harness.redeem(&client, &code, changes).await;
        let status = if definition.ends_with("400") { 400 } else { 401 };
        assert_eq!(answer.status.as_u16(), status, "{changes:?} {}", answer.body);
        assert_valid(FRONTEND, definition, &answer.json());
    }
    let tokens = harness.tokens(&client, &[]).await;
    let form = [
        ("client_id", &*client.id),
        ("token", text(&tokens, "access_token")),
    ];
    let answer = harness.post("/oauth/token/revoke", &form).await;
    assert_valid(FRONTEND, "OAuth.TokenError400", &answer.json());
    let answer = harness
        .refresh(
            &client,
            text(&tokens, "refresh_token"),
            &[("scope", "private_metadata")],
        )
        .await;
    assert_valid(FRONTEND, "OAuth.TokenError400", &answer.json());

    for (registration, documents) in [(true, false), (false, true), (false, false)] {
        let harness = Harness::start_with(|builder| {
            builder
                .dynamic_registration(registration)
                .client_id_metadata_documents(documents)
        })
        .await;
        let body = harness
            .get("/.well-known/oauth-authorization-server")
            .await
            .json();
        assert_valid(FRONTEND, "WellKnown.OAuth2AuthorizationServerMetadata", &body);
        if !registration {
            let refused = harness
                .post_registration(&json!({ "redirect_uris": [CALLBACK] }))
                .await;
            assert_valid(FRONTEND, "ClerkErrors", &refused.json());
        }
    }
}
