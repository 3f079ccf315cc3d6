//! Every answer against the shapes of Clerk's own API descriptions (`fixtures/clerk/`).

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{ADA, ALAN, Answer, CALLBACK, GRACE, Harness, Registered, text};

const BACKEND: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../fixtures/clerk/backend-api.schema.json"
));
const FRONTEND: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../fixtures/clerk/frontend-api.schema.json"
));

/// What `body` lacks, or has too much, as a `definition` of the description.
fn faults(description: &str, definition: &str, body: &Value) -> Vec<String> {
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
    let faults = faults(description, definition, body);
    assert!(faults.is_empty(), "{definition}: {faults:#?}\n{body:#}");
}

#[tokio::test]
async fn the_descriptions_can_refuse() {
    let harness = Harness::start().await;
    let user = harness.backend(&format!("/users/{ADA}")).await.json();
    let mut lacking = user.clone();
    lacking.as_object_mut().unwrap().remove("banned");
    let mut surplus = user.clone();
    surplus["favourite_colour"] = json!("green");
    let mut wrong = user;
    wrong["email_addresses"][0]["reserved"] = json!("no");
    for body in [lacking, surplus, wrong] {
        assert_eq!(faults(BACKEND, "User", &body).len(), 1, "{body:#}");
    }
}

#[tokio::test]
async fn the_backend_api_answers_as_described() {
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
async fn the_verify_endpoint_answers_as_described() {
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
async fn the_frontend_api_answers_as_described() {
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
