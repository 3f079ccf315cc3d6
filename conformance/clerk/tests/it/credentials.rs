//! Opaque machine-to-machine tokens and API keys, and their verification.

use jiff::SignedDuration;
use local_clerk::{AccessTokens, DirectoryError, Endpoint, InactiveTokens, NewCredential};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{ADA, Answer, Harness, text};

async fn post_with_key(harness: &Harness, key: &str, path: &str, body: Value) -> Answer {
    let url = format!("{}{path}", harness.clerk.backend_api_url());
    Answer::of(harness.http.post(url).bearer_auth(key).json(&body)).await
}

async fn verify_m2m(harness: &Harness, key: &str, token: &str) -> Answer {
    post_with_key(harness, key, "/v1/m2m_tokens/verify", json!({ "token": token })).await
}

async fn verify_api_key(harness: &Harness, secret: &str) -> Answer {
    let key = harness.clerk.secret_key();
    post_with_key(harness, key, "/api_keys/verify", json!({ "secret": secret })).await
}

#[tokio::test]
async fn machine_key_verifies_only_tokens_meant_for_the_machine() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let receiver = clerk.add_machine("receiver", &[]);
    let other = clerk.add_machine("other", &[]);
    let sender = clerk.add_machine("sender", &[&receiver.id]);
    let new = NewCredential {
        claims: Some(json!({ "purpose": "reports" })),
        expires_in: Some(SignedDuration::from_hours(1)),
        ..Default::default()
    };
    let token = clerk.opaque_m2m_token(&sender.id, new).unwrap();
    assert!(token.secret.starts_with("mt_"));
    for key in [clerk.secret_key(), &receiver.secret_key] {
        let body = verify_m2m(&harness, key, &token.secret).await.json();
        assert_eq!(body["id"], token.id.as_str());
        assert_eq!(body["subject"], sender.id.as_str());
        assert_eq!(body["scopes"], json!([receiver.id]));
        assert_eq!(body["claims"], json!({ "purpose": "reports" }));
        assert_eq!(
            body["expiration"],
            body["created_at"].as_i64().unwrap() + 3_600_000
        );
    }
    let answer = verify_m2m(&harness, &other.secret_key, &token.secret).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    for (key, code) in [
        ("ak_unknown", "machine_secret_key_invalid"),
        ("sk_test_unknown", "clerk_key_invalid"),
    ] {
        let answer = verify_m2m(&harness, key, &token.secret).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["errors"][0]["code"], code);
    }
    // A machine's key is accepted only for verifying machine tokens.
    let url = format!("{}/v1/users/{ADA}", clerk.backend_api_url());
    let answer = Answer::of(harness.http.get(url).bearer_auth(&receiver.secret_key)).await;
    assert_eq!(answer.json()["errors"][0]["code"], "clerk_key_invalid");
    assert_eq!(clerk.request_count(Endpoint::BackendVerifyM2mToken), 5);
    assert_eq!(
        clerk.opaque_m2m_token("mch_x", NewCredential::default()),
        Err(DirectoryError::UnknownMachine("mch_x".to_owned()))
    );
    for shown in [format!("{receiver:?}"), format!("{token:?}")] {
        assert!(
            !shown.contains(&receiver.secret_key) && !shown.contains(&token.secret),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn users_organizations_and_machines_can_have_api_keys() {
    let harness = Harness::start().await;
    let machine = harness.clerk.add_machine("worker", &[]);
    for (subject, id) in [
        ("Ada", ADA),
        ("compiler-works", "org_2sCompilerWorks0000000000CW"),
        (&machine.id, &machine.id),
    ] {
        let new = NewCredential {
            name: "CI".to_owned(),
            scopes: vec!["read".to_owned()],
            ..Default::default()
        };
        let key = harness.clerk.api_key(subject, new).unwrap();
        let body = verify_api_key(&harness, &key.secret).await.json();
        assert_eq!((text(&body, "id"), text(&body, "subject")), (&*key.id, id));
        assert_eq!((&body["name"], &body["scopes"]), (&json!("CI"), &json!(["read"])));
        assert_eq!(
            (&body["expiration"], &body["last_used_at"]),
            (&Value::Null, &Value::Null)
        );
        assert_ne!(
            verify_api_key(&harness, &key.secret).await.json()["last_used_at"],
            Value::Null
        );
    }
    assert!(matches!(
        harness.clerk.api_key("Unknown", NewCredential::default()),
        Err(DirectoryError::UnknownUser(_))
    ));
    assert_eq!(
        verify_api_key(&harness, "ak_unknown").await.status,
        StatusCode::NOT_FOUND
    );
    let answer = post_with_key(
        &harness,
        harness.clerk.secret_key(),
        "/v1/api_keys/verify",
        json!({}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn inactive_api_keys_are_flagged_or_not_found() {
    for mode in [InactiveTokens::Flagged, InactiveTokens::NotFound] {
        let harness = Harness::start_with(|builder| builder.inactive_tokens(mode)).await;
        let new = || NewCredential {
            expires_in: Some(SignedDuration::from_mins(1)),
            ..Default::default()
        };
        let [expiring, revoked, ended] = [(), (), ()].map(|()| harness.clerk.api_key(ADA, new()).unwrap());
        harness.clerk.revoke_token(&revoked.id).unwrap();
        harness.clerk.expire_token(&ended.secret).unwrap();
        assert_eq!(
            verify_api_key(&harness, &expiring.secret).await.status,
            StatusCode::OK
        );
        harness.clock.advance(SignedDuration::from_mins(1));
        for (key, flag) in [(&expiring, "expired"), (&revoked, "revoked"), (&ended, "expired")] {
            let answer = verify_api_key(&harness, &key.secret).await;
            match mode {
                InactiveTokens::Flagged => assert_eq!(answer.json()[flag], true, "{flag}"),
                InactiveTokens::NotFound => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{flag}"),
            }
        }
    }
}

#[tokio::test]
async fn inactive_access_tokens_are_not_found_when_so_configured() {
    let harness = Harness::start_with(|builder| {
        builder
            .auto_approve("Ada")
            .access_tokens(AccessTokens::Opaque)
            .inactive_tokens(InactiveTokens::NotFound)
    })
    .await;
    let client = harness.public_client().await;
    for end in [
        (|harness, token| harness.clerk.revoke_token(token).unwrap()) as fn(&Harness, &str),
        |harness, token| harness.clerk.expire_token(token).unwrap(),
        |harness, _| assert_eq!(harness.clerk.revoke_grants(ADA), Ok(3)),
    ] {
        let tokens = harness.tokens(&client, &[]).await;
        let token = text(&tokens, "access_token");
        assert_eq!(harness.verify(token).await.status, StatusCode::OK);
        end(&harness, token);
        assert_eq!(harness.verify(token).await.status, StatusCode::NOT_FOUND);
    }
}
