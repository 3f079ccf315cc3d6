//! The Backend API: keys, errors, versions, paging and access token verification.

use jiff::SignedDuration;
use local_clerk::{Endpoint, NewOrganization};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ADA, ALAN, Answer, GRACE, Harness, RESOURCE, text};

/// Returns the status and error as one line for a snapshot, after checking the trace id.
fn errors(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!(answer.header("x-clerk-trace-id"), body["clerk_trace_id"].as_str());
    assert_eq!(text(&body, "clerk_trace_id").len(), 32);
    let error = &body["errors"][0];
    let parameter = error["meta"]["param_name"]
        .as_str()
        .map(|name| format!(" [{name}]"))
        .unwrap_or_default();
    let (code, message, long_message) = (
        text(error, "code"),
        text(error, "message"),
        text(error, "long_message"),
    );
    format!(
        "{} {code}{parameter}: {message} / {long_message}",
        answer.status.as_u16()
    )
}

#[tokio::test]
async fn secret_key_is_checked_before_the_path() {
    let harness = Harness::start().await;
    let ask = async |path: &str, authorization: Option<&str>| {
        let mut request = harness
            .http
            .get(format!("{}{path}", harness.clerk.backend_api_url()));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        Answer::of(request).await
    };
    let key = harness.clerk.secret_key();
    let format_invalid = "401 authorization_header_format_invalid:";
    for path in [
        "",
        "/",
        "/v1/jwks",
        "/jwks",
        "/v1/users/user_x",
        "/v1/nothing/here",
    ] {
        for authorization in [
            None,
            Some(key),
            Some("Bearer"),
            Some("Bearer  x"),
            Some(&*format!("bearer {key}")),
            Some("Basic x"),
        ] {
            let answer = ask(path, authorization).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            assert!(
                errors(&answer).contains(format_invalid),
                "{authorization:?} {}",
                answer.body
            );
        }
        let answer = ask(path, Some("Bearer sk_test_wrong")).await;
        assert!(
            errors(&answer).contains("401 clerk_key_invalid:"),
            "{}",
            answer.body
        );
    }
    assert_eq!(
        ask("/v1/nothing", Some(&format!("Bearer {key}"))).await.status,
        StatusCode::NOT_FOUND
    );
    // Rejected requests are counted, too.
    assert_eq!(harness.clerk.request_count(Endpoint::BackendJwks), 14);
    assert_eq!(harness.clerk.request_count(Endpoint::BackendSession), 0);
}

#[tokio::test]
async fn errors_have_clerks_codes_and_texts() {
    let harness = Harness::start().await;
    let mut lines = Vec::new();
    for path in [
        "/v1/users/user_x",
        "/v1/users/user_x/organization_memberships",
        "/v1/organizations/org_x",
        "/v1/organizations/org_x/memberships",
        "/v1/sessions/sess_x",
        "/v1/nothing",
        &format!("/v1/users/{ADA}/organization_memberships?limit=0"),
        &format!("/v1/users/{ADA}/organization_memberships?limit=501"),
        &format!("/v1/users/{ADA}/organization_memberships?limit=ten"),
        &format!("/v1/users/{ADA}/organization_memberships?offset=-1"),
        &format!("/v1/users/{ADA}/organization_memberships?limit=1&limit=2"),
        &format!("/v1/users/{ADA}/organization_memberships?page=2"),
        "/v1/organizations/compiler-works/memberships?order_by=shoe_size",
        "/v1/organizations/compiler-works/memberships?query=a",
        "/v1/jwks?__clerk_api_version=2020-01-01",
    ] {
        lines.push(format!("{path}\n  {}", errors(&harness.backend(path).await)));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn unsupported_methods_and_invalid_bodies_are_rejected() {
    let harness = Harness::start().await;
    let verify = "/v1/oauth_applications/access_tokens/verify";
    let ask = async |method: Method, path: &str, content_type: &str, body: String| {
        let url = format!("{}{path}", harness.clerk.backend_api_url());
        let request = harness
            .http
            .request(method, url)
            .bearer_auth(harness.clerk.secret_key());
        Answer::of(request.header("content-type", content_type).body(body)).await
    };
    let json = "application/json; charset=utf-8";
    let answer = ask(Method::DELETE, "/v1/jwks", json, String::new()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, Some("GET, HEAD"))
    );
    let answer = ask(Method::GET, verify, json, String::new()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, Some("POST"))
    );
    for (content_type, body, status) in [
        ("text/plain", "{}".to_owned(), 415),
        (json, "{".to_owned(), 400),
        (json, "[]".to_owned(), 400),
        (json, r#"{"access_token":1}"#.to_owned(), 400),
        (json, r#"{"access_token":"oat_x"}"#.to_owned(), 404),
        (json, r#"{"secret":"oat_x"}"#.to_owned(), 404),
        (json, "x".repeat(65 * 1024), 413),
    ] {
        let answer = ask(Method::POST, verify, content_type, body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", errors(&answer));
    }
}

#[tokio::test]
async fn api_version_must_be_known_and_set_once() {
    let harness = Harness::start().await;
    let url = format!("{}/v1/jwks", harness.clerk.backend_api_url());
    let ask = async |header: Option<&str>, query: &str| {
        let mut request = harness
            .http
            .get(format!("{url}{query}"))
            .bearer_auth(harness.clerk.secret_key());
        if let Some(header) = header {
            request = request.header("Clerk-API-Version", header);
        }
        Answer::of(request).await.status.as_u16()
    };
    assert_eq!(ask(None, "").await, 200);
    assert_eq!(ask(Some("2026-05-12"), "").await, 200);
    assert_eq!(ask(None, "?__clerk_api_version=2025-11-10").await, 200);
    assert_eq!(ask(Some("yesterday"), "").await, 400);
    assert_eq!(
        ask(Some("2026-05-12"), "?__clerk_api_version=2026-05-12").await,
        400
    );
}

#[tokio::test]
async fn memberships_are_paginated() {
    let harness = Harness::start().await;
    for index in 0..1_200 {
        let name = format!("Organization {index}");
        let organization = harness
            .clerk
            .add_organization(NewOrganization {
                name,
                ..Default::default()
            })
            .unwrap();
        harness
            .clerk
            .add_membership(ALAN, &organization.id, "org:member")
            .unwrap();
    }
    let page = async |query: &str| {
        harness
            .backend(&format!("/v1/users/{ALAN}/organization_memberships{query}"))
            .await
            .json()
    };
    let slugs = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap();
        data.iter()
            .map(|one| text(&one["organization"], "slug").to_owned())
            .collect()
    };
    let first = page("").await;
    assert_eq!(
        (first["total_count"].as_u64(), slugs(&first).len()),
        (Some(1_200), 10)
    );
    assert_eq!(
        slugs(&page("?limit=2&offset=3").await),
        ["organization-3", "organization-4"]
    );
    let mut all = Vec::new();
    for offset in [0, 500, 1_000, 1_500] {
        all.extend(slugs(&page(&format!("?limit=500&offset={offset}")).await));
    }
    assert_eq!(all.len(), 1_200);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1_200);
}

#[tokio::test]
async fn organization_members_are_filtered_and_sorted() {
    let harness = Harness::start().await;
    let members = async |query: &str| -> Vec<String> {
        let body = harness
            .backend(&format!("/organizations/compiler-works/memberships{query}"))
            .await
            .json();
        let data = body["data"].as_array().unwrap();
        data.iter()
            .map(|one| text(&one["public_user_data"], "user_id").to_owned())
            .collect()
    };
    assert_eq!(members("").await, [ADA, GRACE]);
    assert_eq!(members("?order_by=-first_name").await, [GRACE, ADA]);
    assert_eq!(members("?order_by=%2Blast_name").await, [GRACE, ADA]);
    assert_eq!(members("?role=org:admin").await, [GRACE]);
    assert_eq!(members(&format!("?user_id={ADA}&user_id={ALAN}")).await, [ADA]);
    let organization = harness
        .backend("/v1/organizations/compiler-works?include_members_count=true")
        .await;
    assert_eq!(organization.json()["members_count"], 2);
}

#[tokio::test]
async fn jwt_and_opaque_access_tokens_are_verified() {
    for harness in [Harness::auto_approving().await, Harness::opaque().await] {
        let client = harness.public_client().await;
        let tokens = harness
            .tokens(&client, &[("scope", "profile email"), ("resource", RESOURCE)])
            .await;
        let token = text(&tokens, "access_token");
        let is_jwt = token.contains('.');
        let body = harness.verify(token).await.json();
        assert_eq!(body["subject"], ADA);
        assert_eq!(body["client_id"], client.id.as_str());
        assert_eq!(body["scopes"], json!(["profile", "email"]));
        assert_eq!(body["aud"], json!([RESOURCE]));
        assert_eq!(
            (&body["revoked"], &body["expired"]),
            (&json!(false), &json!(false))
        );

        harness.verify(&format!("{token}x")).await.assert_not_found();
        // Tokens with valid signatures that are not access tokens.
        for other in [
            harness.clerk.session_token(ADA).unwrap(),
            harness.clerk.m2m_token("mch_1"),
        ] {
            harness.verify(&other.mint()).await.assert_not_found();
        }

        harness.clock.advance(SignedDuration::from_secs(86_401));
        let body = harness.verify(token).await.json();
        if is_jwt {
            assert_eq!(body, json!({ "active": false }));
        } else {
            assert_eq!(body["expired"], true);
        }
    }
}

impl Answer {
    #[track_caller]
    fn assert_not_found(&self) {
        assert_eq!(self.status, StatusCode::NOT_FOUND, "{}", self.body);
    }
}
