//! The authorization endpoint, the sign-in and consent page, and the decision.

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{ADA, ALAN, CALLBACK, GRACE, Harness, RESOURCE, STATE, code_challenge};

/// Returns the hidden transaction id of a consent page.
fn transaction(page: &str) -> String {
    let (_, rest) = page
        .split_once(r#"name="transaction" value=""#)
        .expect("a consent page");
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn client_gets_tokens_after_sign_in_and_consent() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    let page = harness.authorize(&client, &[("resource", RESOURCE)]).await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in [
        "Test client asks for access",
        "127.0.0.1:49152",
        "Grace Hopper",
        RESOURCE,
    ] {
        assert!(page.body.contains(expected), "{expected}");
    }

    let transaction = transaction(&page.body);
    let answer = harness
        .post(
            "/oauth/authorize/decision",
            &[
                ("transaction", &transaction),
                ("user", GRACE),
                (
                    &format!("organization.{GRACE}"),
                    "org_2sCompilerWorks0000000000CW",
                ),
                ("decision", "allow"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let callback = answer.callback();
    assert_eq!(callback["state"], STATE);
    assert_eq!(callback["iss"], harness.clerk.issuer());

    let answer = harness.redeem(&client, &callback["code"], &[]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = answer.json();
    let claims = crate::support::claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["sub"], GRACE);
    assert_eq!(claims["client_id"], client.id.as_str());
    assert_eq!(claims["aud"], json!([RESOURCE]));
    assert_eq!(claims["org_id"], "org_2sCompilerWorks0000000000CW");
    assert_eq!(
        tokens["scope"],
        "openid profile email offline_access user:org:read"
    );
    assert!(tokens["id_token"].is_string());
}

/// A reader chooses between users by what they may do.
#[tokio::test]
async fn sign_in_page_shows_initials_and_organizations_of_each_user() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    // Without `user:org:read` no organization is chosen, but the page still names them.
    let page = harness.authorize(&client, &[("scope", "profile")]).await;
    for expected in [
        ">AL</span>",
        ">GH</span>",
        ">AT</span>",
        ">Analytical Engines (Admin)</small>",
        ">Difference &#38; Sons (Billing manager)</small>",
        ">ada@example.com</small>",
        ">grace@example.com</small><small class=\"membership\">Compiler Works (Admin)</small></span>",
        ">No organization</small>",
    ] {
        assert!(page.body.contains(expected), "{expected} in {}", page.body);
    }
    assert!(!page.body.contains("<select"), "{}", page.body);
    // The policy of the page allows no host, so there are no pictures to load.
    assert!(!page.body.contains("<img"), "{}", page.body);
}

#[tokio::test]
async fn denial_is_sent_to_the_client() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    let page = harness.authorize(&client, &[]).await;
    let form = [
        ("transaction", &*transaction(&page.body)),
        ("user", ADA),
        ("decision", "deny"),
    ];
    let callback = harness.post("/oauth/authorize/decision", &form).await.callback();
    insta::assert_json_snapshot!(callback, { ".iss" => "[issuer]" }, @r#"
    {
      "error": "access_denied",
      "error_description": "the user denied the request",
      "iss": "[issuer]",
      "state": "state-of-the-client"
    }
    "#);
}

#[tokio::test]
async fn decision_requires_a_transaction_id_that_works_once() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    let transaction = transaction(&harness.authorize(&client, &[]).await.body);
    for (forged, expected) in [
        ("", 400),
        ("guessed", 400),
        (transaction.as_str(), 303),
        (transaction.as_str(), 400),
    ] {
        let form = [("transaction", forged), ("user", ADA), ("decision", "allow")];
        let answer = harness.post("/oauth/authorize/decision", &form).await;
        assert_eq!(answer.status.as_u16(), expected, "{forged}");
    }
}

#[tokio::test]
async fn consent_page_expires() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    let transaction = transaction(&harness.authorize(&client, &[]).await.body);
    harness.clock.advance(SignedDuration::from_mins(30));
    let form = [
        ("transaction", &*transaction),
        ("user", ADA),
        ("decision", "allow"),
    ];
    let answer = harness.post("/oauth/authorize/decision", &form).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn selecting_an_organization_requires_membership() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    let transaction = transaction(&harness.authorize(&client, &[]).await.body);
    let form = [
        ("transaction", &*transaction),
        ("user", ALAN),
        (&format!("organization.{ALAN}"), "compiler-works"),
        ("decision", "allow"),
    ];
    let callback = harness.post("/oauth/authorize/decision", &form).await.callback();
    assert_eq!(callback["error"], "access_denied");
}

#[tokio::test]
async fn banned_users_cannot_sign_in() {
    let harness = Harness::start().await;
    harness.clerk.ban_user("Ada").unwrap();
    let client = harness.public_client().await;
    let page = harness.authorize(&client, &[]).await;
    assert!(page.body.contains("Ada Lovelace (banned)"));
    let form = [
        ("transaction", &*transaction(&page.body)),
        ("user", ADA),
        ("decision", "allow"),
    ];
    let callback = harness.post("/oauth/authorize/decision", &form).await.callback();
    assert_eq!(callback["error"], "access_denied");
}

#[tokio::test]
async fn unknown_client_or_redirect_uri_shows_an_error_page() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    for changes in [
        [("client_id", "unknown")],
        [("client_id", "")],
        [("redirect_uri", "http://127.0.0.1:49152/callback/")],
        [("redirect_uri", "http://127.0.0.1:49152/callback?more=x")],
        [("redirect_uri", "https://attacker.example/callback")],
        [("redirect_uri", "javascript:alert(1)")],
    ] {
        let answer = harness.authorize(&client, &changes).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{changes:?}");
        assert_eq!(answer.header("location"), None, "{changes:?}");
        assert!(answer.body.contains("This request cannot be answered"));
    }
}

#[tokio::test]
async fn loopback_port_may_differ_and_a_single_redirect_uri_may_be_omitted() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let answer = harness
        .authorize(&client, &[("redirect_uri", "http://127.0.0.1:1/callback")])
        .await;
    assert!(
        answer
            .header("location")
            .unwrap()
            .starts_with("http://127.0.0.1:1/callback?code=")
    );

    let code = harness.code(&client, &[("redirect_uri", "")]).await;
    let answer = harness.redeem(&client, &code, &[("redirect_uri", "")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn invalid_requests_send_an_error_to_the_client() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    for (changes, error) in [
        (&[("response_type", "")][..], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("code_challenge", "")], "invalid_request"),
        (
            &[("code_challenge", ""), ("code_challenge_method", "")],
            "invalid_request",
        ),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge", "too-short")], "invalid_request"),
        (&[("scope", "profile admin")], "invalid_scope"),
        (&[("scope", "private_metadata")], "invalid_scope"),
        (&[("resource", "not a uri")], "invalid_target"),
        (&[("resource", "https://mcp.example/#fragment")], "invalid_target"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "select_account")], "invalid_request"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("nonce", "one"), ("nonce", "two")], "invalid_request"),
    ] {
        let callback = harness.authorize(&client, changes).await.callback();
        assert_eq!(callback["error"], error, "{changes:?}");
        assert!(!callback["error_description"].is_empty());
        assert_eq!(callback["state"], STATE);
        assert_eq!(callback["iss"], harness.clerk.issuer());
        assert!(!callback.contains_key("code"));
    }
    let short = harness.authorize(&client, &[("state", "short")]).await.callback();
    assert_eq!((&*short["error"], &*short["state"]), ("invalid_request", "short"));
}

#[tokio::test]
async fn prompt_none_requires_a_signed_in_user() {
    let harness = Harness::start().await;
    let client = harness.public_client().await;
    let callback = harness.authorize(&client, &[("prompt", "none")]).await.callback();
    assert_eq!(callback["error"], "login_required");
    harness.clerk.set_auto_approve(Some("grace@example.com")).unwrap();
    let callback = harness.authorize(&client, &[("prompt", "none")]).await.callback();
    assert!(callback.contains_key("code"));
    harness.clerk.set_auto_approve(None).unwrap();
    let page = harness.authorize(&client, &[("prompt", "login consent")]).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn form_post_sends_the_response_in_a_form() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let page = harness
        .authorize(&client, &[("response_mode", "form_post")])
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("location"), None);
    assert!(
        page.body.contains(&format!(r#"action="{CALLBACK}""#)),
        "{}",
        page.body
    );
    assert!(page.body.contains(r#"name="code" value=""#));
    assert!(page.body.contains(&format!(r#"name="state" value="{STATE}""#)));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("script-src 'sha256-")
    );
}

#[tokio::test]
async fn authorization_request_may_be_a_post() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let challenge = code_challenge(crate::support::VERIFIER);
    let form = [
        ("response_type", "code"),
        ("client_id", &*client.id),
        ("redirect_uri", CALLBACK),
        ("code_challenge", &*challenge),
        ("code_challenge_method", "S256"),
    ];
    let answer = harness.post("/oauth/authorize", &form).await;
    let callback = answer.callback();
    assert!(
        callback.contains_key("code") && !callback.contains_key("state"),
        "{callback:?}"
    );
}

#[tokio::test]
async fn text_of_clients_and_users_is_escaped() {
    let harness = Harness::start().await;
    let hostile = r#"<script>alert("x")</script>"#;
    harness
        .clerk
        .add_user(local_clerk::NewUser {
            id: Some(r#"user_"onfocus="x"#.to_owned()),
            first_name: Some(hostile.to_owned()),
            email: Some(hostile.to_owned()),
            ..Default::default()
        })
        .unwrap();
    let metadata = json!({
        "client_name": hostile,
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
    });
    let registered = harness.post_registration(&metadata).await.json();
    let client = crate::support::Registered {
        id: registered["client_id"].as_str().unwrap().to_owned(),
        secret: None,
    };
    let page = harness.authorize(&client, &[("resource", "x:<script>")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(!page.body.contains(r#""onfocus="#), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(
        !page.body.contains("http://") || !page.body.contains("src="),
        "the page loads a resource: {}",
        page.body
    );
}
