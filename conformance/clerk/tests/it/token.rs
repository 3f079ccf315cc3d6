//! The token, revocation, introspection and userinfo endpoints.

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{ADA, Answer, Harness, RESOURCE, Registered, VERIFIER, claims, part, sorted, text};

#[tokio::test]
async fn reuse_of_a_code_revokes_the_grant() {
    let harness = Harness::opaque().await;
    let client = harness.public_client().await;
    let code = harness.code(&client, &[]).await;
    let tokens = harness.redeem(&client, &code, &[]).await.json();
    harness
        .redeem(&client, &code, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    harness
        .refresh(&client, text(&tokens, "refresh_token"), &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    let verified = harness.verify(text(&tokens, "access_token")).await.json();
    assert_eq!(verified["revoked"], true);
}

#[tokio::test]
async fn invalid_token_requests_are_rejected_and_do_not_use_up_the_code() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let other = harness.public_client().await;
    let code = harness.code(&client, &[("resource", RESOURCE)]).await;
    for (changes, status, error) in [
        (&[("code_verifier", "")][..], 400, "invalid_grant"),
        (
            &[("code_verifier", "another-code-verifier-of-forty-three-characters")],
            400,
            "invalid_grant",
        ),
        (&[("code_verifier", "short")], 400, "invalid_grant"),
        (&[("redirect_uri", "")], 400, "invalid_grant"),
        (
            &[("redirect_uri", "http://127.0.0.1:49153/callback")],
            400,
            "invalid_grant",
        ),
        (&[("code", "unknown")], 400, "invalid_grant"),
        (&[("code", "")], 400, "invalid_request"),
        (&[("client_id", &other.id)], 400, "invalid_grant"),
        (&[("client_id", "unknown")], 401, "invalid_client"),
        (&[("client_id", "")], 401, "invalid_client"),
        (&[("client_secret", "of a public client")], 401, "invalid_client"),
        (&[("resource", "https://other.example")], 400, "invalid_target"),
        (&[("grant_type", "")], 400, "invalid_request"),
        (&[("grant_type", "password")], 401, "unsupported_grant_type"),
        (
            &[("code_verifier", VERIFIER), ("code_verifier", VERIFIER)],
            400,
            "invalid_request",
        ),
    ] {
        harness
            .redeem(&client, &code, changes)
            .await
            .assert_oauth_error(status, error);
    }
    // None of these requests used up the code.
    assert_eq!(harness.redeem(&client, &code, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn code_expires_after_ten_minutes() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let code = harness.code(&client, &[]).await;
    let late = harness.code(&client, &[]).await;
    harness.clock.advance(SignedDuration::from_secs(599));
    assert_eq!(harness.redeem(&client, &code, &[]).await.status, StatusCode::OK);
    harness.clock.advance(SignedDuration::from_secs(1));
    harness
        .redeem(&client, &late, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn confidential_clients_authenticate_by_header_or_form() {
    let harness = Harness::auto_approving().await;
    let client = harness.register("client_secret_basic", "profile").await;
    let secret = client.secret.clone().unwrap();
    let token = harness.url("/oauth/token");
    let form = |code: String| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", crate::support::CALLBACK.to_owned()),
        ]
    };
    // Confidential clients need not use PKCE.
    let without_pkce = [("code_challenge", ""), ("code_challenge_method", "")];

    let code = harness.code(&client, &without_pkce).await;
    let request = harness
        .http
        .post(&token)
        .basic_auth(&client.id, Some(&secret))
        .form(&form(code));
    assert_eq!(Answer::of(request).await.status, StatusCode::OK);

    let code = harness.code(&client, &without_pkce).await;
    assert_eq!(
        harness
            .redeem(&client, &code, &[("code_verifier", "")])
            .await
            .status,
        StatusCode::OK
    );

    let code = harness.code(&client, &without_pkce).await;
    harness
        .redeem(&client, &code, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    harness
        .redeem(&client, &code, &[("client_secret", "")])
        .await
        .assert_oauth_error(401, "invalid_client");
    let request = harness
        .http
        .post(&token)
        .basic_auth(&client.id, Some("wrong"))
        .form(&form(code.clone()));
    let answer = Answer::of(request).await;
    answer.assert_oauth_error(401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="oauth""#));

    let mut twice = form(code).to_vec();
    twice.push(("client_secret", secret.clone()));
    let request = harness
        .http
        .post(&token)
        .basic_auth(&client.id, Some(&secret))
        .form(&twice);
    Answer::of(request)
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn state_is_required_without_pkce() {
    let harness = Harness::auto_approving().await;
    let client = harness.register("client_secret_post", "profile").await;
    let changes = [
        ("code_challenge", ""),
        ("code_challenge_method", ""),
        ("state", ""),
    ];
    assert_eq!(
        harness.authorize(&client, &changes).await.callback()["error"],
        "invalid_request"
    );
}

#[tokio::test]
async fn refresh_rotates_the_token_and_reuse_revokes_the_grant() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let first = harness.tokens(&client, &[("resource", RESOURCE)]).await;
    let second = harness
        .refresh(&client, text(&first, "refresh_token"), &[])
        .await
        .json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(claims(text(&second, "access_token"))["aud"], json!([RESOURCE]));
    assert!(second["id_token"].is_string());

    harness
        .refresh(&client, text(&first, "refresh_token"), &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    harness
        .refresh(&client, text(&second, "refresh_token"), &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn refresh_can_narrow_but_not_widen_the_grant() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let other = harness.public_client().await;
    let tokens = harness.tokens(&client, &[("scope", "profile email")]).await;
    let token = text(&tokens, "refresh_token");
    harness
        .refresh(&client, token, &[("scope", "profile openid")])
        .await
        .assert_oauth_error(400, "invalid_scope");
    harness
        .refresh(&client, token, &[("resource", RESOURCE)])
        .await
        .assert_oauth_error(400, "invalid_target");
    harness
        .refresh(&other, token, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    harness
        .refresh(&client, "unknown", &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    let narrower = harness
        .refresh(&client, token, &[("scope", "profile")])
        .await
        .json();
    assert_eq!(narrower["scope"], "profile");
    // RFC 6749 §6: a narrower refresh does not narrow the grant.
    let again = harness
        .refresh(&client, text(&narrower, "refresh_token"), &[])
        .await
        .json();
    assert_eq!(again["scope"], "profile email");

    harness.clerk.ban_user(ADA).unwrap();
    harness
        .refresh(&client, text(&again, "refresh_token"), &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn token_without_resource_has_no_audience() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[("scope", "profile email")]).await;
    let token = text(&tokens, "access_token");
    let names: Vec<String> = claims(token).as_object().unwrap().keys().cloned().collect();
    let mut names = names;
    names.sort();
    assert_eq!(
        names,
        ["client_id", "exp", "iat", "iss", "jti", "nbf", "scope", "sub"]
    );
    assert_eq!(part(token, 0)["typ"], "at+jwt");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    assert!(tokens.get("id_token").is_none());
}

#[tokio::test]
async fn id_token_audience_is_the_client() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let tokens = harness
        .tokens(
            &client,
            &[("scope", "openid email profile"), ("nonce", "n-0S6_WzA2Mj")],
        )
        .await;
    let claims = claims(text(&tokens, "id_token"));
    assert_eq!(claims["aud"], client.id.as_str());
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(claims["email"], "ada@example.com");
    assert_eq!(claims["name"], "Ada Lovelace");
}

#[tokio::test]
async fn userinfo_contains_only_what_the_scopes_allow() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let userinfo = async |scope: &str| {
        let tokens = harness.tokens(&client, &[("scope", scope)]).await;
        let request = harness.http.get(harness.url("/oauth/userinfo"));
        Answer::of(request.bearer_auth(text(&tokens, "access_token")))
            .await
            .json()
    };
    let (wide, narrow) = (
        userinfo("profile email user:org:read").await,
        userinfo("offline_access").await,
    );
    sorted().bind(|| {
        insta::assert_json_snapshot!("userinfo_wide", wide);
        insta::assert_json_snapshot!("userinfo_narrow", narrow);
    });
}

#[tokio::test]
async fn userinfo_requires_a_valid_access_token() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    let session = harness.clerk.session_token(ADA).unwrap().mint();
    let url = harness.url("/oauth/userinfo");
    for token in [
        "",
        "oat_unknown",
        "a.b.c",
        text(&tokens, "id_token"),
        session.as_str(),
    ] {
        let answer = Answer::of(harness.http.post(&url).bearer_auth(token)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["errors"][0]["code"], "oauth_fetch_user_error");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    harness.clock.advance(SignedDuration::from_secs(86_401));
    let answer = Answer::of(harness.http.get(&url).bearer_auth(text(&tokens, "access_token"))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

async fn token_info(harness: &Harness, client: &Registered, token: &str) -> Value {
    let secret = client.secret.as_deref().unwrap();
    let form = [
        ("client_id", &*client.id),
        ("client_secret", secret),
        ("token", token),
    ];
    harness.post("/oauth/token_info", &form).await.json()
}

#[tokio::test]
async fn introspection_shows_revoked_tokens_as_inactive() {
    let harness = Harness::opaque().await;
    let client = harness
        .register("client_secret_post", "profile offline_access")
        .await;
    let public = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert!(access.starts_with("oat_"));
    for token in [access, refresh] {
        let info = token_info(&harness, &client, token).await;
        assert_eq!(info["active"], true);
        assert_eq!(info["sub"], ADA);
    }
    assert_eq!(
        token_info(&harness, &client, "unknown").await,
        json!({ "active": false })
    );
    let form = [("client_id", &*public.id), ("token", access)];
    harness
        .post("/oauth/token_info", &form)
        .await
        .assert_oauth_error(401, "invalid_client");

    // Another client cannot revoke the token.
    harness
        .post("/oauth/token/revoke", &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
    let form = [("client_id", &*public.id), ("token", refresh)];
    assert_eq!(
        harness.post("/oauth/token/revoke", &form).await.status,
        StatusCode::OK
    );
    assert_eq!(token_info(&harness, &client, refresh).await["active"], true);

    let secret = client.secret.as_deref().unwrap();
    let revoke = async |token: &str| {
        let form = [
            ("client_id", &*client.id),
            ("client_secret", secret),
            ("token", token),
        ];
        harness.post("/oauth/token/revoke", &form).await
    };
    let answer = revoke(access).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(
        token_info(&harness, &client, access).await,
        json!({ "active": false })
    );
    assert_eq!(token_info(&harness, &client, refresh).await["active"], true);
    assert_eq!(revoke(refresh).await.status, StatusCode::OK);
    assert_eq!(
        token_info(&harness, &client, refresh).await,
        json!({ "active": false })
    );
    assert_eq!(revoke("unknown").await.status, StatusCode::OK);
}

#[tokio::test]
async fn jwt_cannot_be_revoked() {
    let harness = Harness::auto_approving().await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    let form = [
        ("client_id", &*client.id),
        ("token", text(&tokens, "access_token")),
    ];
    harness
        .post("/oauth/token/revoke", &form)
        .await
        .assert_oauth_error(400, "unsupported_token_type");
}
