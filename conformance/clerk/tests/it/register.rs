//! Dynamic client registration.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, CALLBACK, Harness, sorted};

#[tokio::test]
async fn public_client_gets_defaults_and_no_secret() {
    let harness = Harness::start().await;
    let answer = harness
        .post_registration(&json!({
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            "client_name": null,
            "application_type": "native",
            "grant_types": ["authorization_code"],
            "software_id": "unknown members are ignored",
        }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let body = answer.json();
    assert_eq!(body["client_name"], body["client_id"]);
    sorted().bind(|| {
        insta::assert_json_snapshot!("public_client", body, { ".client_id" => "[id]", ".client_name" => "[id]" });
    });
}

#[tokio::test]
async fn confidential_client_gets_a_secret() {
    let harness = Harness::start().await;
    let body = harness
        .post_registration(&json!({
            "redirect_uris": ["https://app.example.com/callback", "com.example.app:/callback"],
            "client_name": "App",
            "client_uri": "https://app.example.com",
            "scope": "openid user:org:read",
        }))
        .await
        .json();
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(body["scope"], "openid user:org:read");
    assert_eq!(body["client_uri"], "https://app.example.com");
    assert!(body["client_secret"].as_str().unwrap().len() >= 32);
}

#[tokio::test]
async fn response_lists_refresh_token_only_if_the_setting_says_so() {
    for (on, grant_types) in [
        (false, json!(["authorization_code"])),
        (true, json!(["authorization_code", "refresh_token"])),
    ] {
        let harness = Harness::start_with(|builder| builder.registration_lists_refresh_token(on)).await;
        let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
        let body = harness.post_registration(&metadata).await.json();
        assert_eq!(body["grant_types"], grant_types);
    }
}

#[tokio::test]
async fn invalid_metadata_is_rejected() {
    let harness = Harness::start().await;
    let with = |name: &str, value: Value| {
        let mut metadata = json!({ "redirect_uris": [CALLBACK] });
        metadata[name] = value;
        metadata
    };
    for (metadata, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!([]), "invalid_client_metadata"),
        (with("redirect_uris", json!([])), "invalid_redirect_uri"),
        (with("redirect_uris", json!(CALLBACK)), "invalid_redirect_uri"),
        (
            with("redirect_uris", json!([CALLBACK, 1])),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!(["http://app.example.com/"])),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!(["https://app.example.com/#x"])),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!(["javascript:alert(1)"])),
            "invalid_redirect_uri",
        ),
        (
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            "invalid_client_metadata",
        ),
        (
            with("token_endpoint_auth_method", json!(1)),
            "invalid_client_metadata",
        ),
        (
            with("client_name", json!("x".repeat(257))),
            "invalid_client_metadata",
        ),
        (with("client_name", json!(["x"])), "invalid_client_metadata"),
        (
            with("client_uri", json!("javascript:alert(1)")),
            "invalid_client_metadata",
        ),
        (
            with("scope", json!("profile superuser")),
            "invalid_client_metadata",
        ),
    ] {
        harness
            .post_registration(&metadata)
            .await
            .assert_oauth_error(400, error);
    }
    let request = harness.http.post(harness.url("/oauth/register")).body("not json");
    Answer::of(request)
        .await
        .assert_oauth_error(400, "invalid_client_metadata");
}
