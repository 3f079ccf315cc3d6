//! Settings of the builder: seed, https, a state file, and Clerk's instance settings.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local_clerk::{
    Authority, Endpoint, LocalClerk, NewCredential, RateLimit, ResourceIndicators, StartError, State,
    StateError,
};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{ADA, ALAN, CALLBACK, GRACE, Harness, KEY, RESOURCE, claims, text};

const CELESTIAL: &str = r#"
[[users]]
id = "user_2sMarySomerville000000000M"
first_name = "Mary"
last_name = "Somerville"
email = "mary@example.com"
features = ["telescope"]

[[users]]
first_name = "Caroline"
banned = true

[[organizations]]
name = "Celestial Mechanics"

[[organizations.members]]
user = "mary@example.com"
role = "org:admin"
"#;

#[tokio::test]
async fn same_seed_gives_the_same_ids_and_secrets() {
    let transcript = async |seed: u64| {
        let harness = Harness::start_with(|builder| builder.seed(seed).auto_approve("Ada")).await;
        let clerk = &harness.clerk;
        let client = harness.register("client_secret_post", "openid profile").await;
        let tokens = harness.tokens(&client, &[]).await;
        let memberships = harness
            .backend(&format!("/v1/users/{ADA}/organization_memberships"))
            .await
            .json();
        let membership = memberships["data"][2]["id"].clone();
        let session = clerk.session_token(GRACE).unwrap();
        let impersonation = clerk.impersonation_token(ALAN, GRACE).unwrap();
        let machine = clerk.add_machine("worker", &[]);
        json!([
            clerk.secret_key(),
            client.id,
            client.secret,
            tokens["refresh_token"],
            claims(text(&tokens, "access_token"))["jti"],
            membership,
            session.claim_value("sid"),
            session.claim_value("jti"),
            impersonation.claim_value("sid"),
            machine.id,
            machine.secret_key,
            clerk.api_key("Ada", NewCredential::default()).unwrap().secret,
        ])
    };
    let (one, two, other) = (transcript(1).await, transcript(1).await, transcript(2).await);
    assert_eq!(one, two);
    for (position, (left, right)) in one
        .as_array()
        .unwrap()
        .iter()
        .zip(other.as_array().unwrap())
        .enumerate()
    {
        assert_ne!(left, right, "{position}");
    }
}

#[tokio::test]
async fn https_uses_an_authority_that_can_be_saved_and_shared() {
    let harness = Harness::https().await;
    assert!(harness.clerk.issuer().starts_with("https://127.0.0.1:"));
    let metadata = harness.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["issuer"], harness.clerk.issuer());
    assert_eq!(harness.backend("/v1/jwks").await.status, StatusCode::OK);
    let by_name = harness
        .url("/.well-known/jwks.json")
        .replace("127.0.0.1", "localhost");
    assert_eq!(
        harness.http.get(by_name).send().await.unwrap().status(),
        StatusCode::OK
    );
    let client = harness.public_client().await;
    assert_eq!(harness.authorize(&client, &[]).await.status, StatusCode::OK);

    let authority = harness.clerk.authority().unwrap();
    let other = LocalClerk::builder()
        .signing_key(KEY.with_kid("ins_other"))
        .https(authority)
        .start()
        .await
        .unwrap();
    let keys = format!("{}/.well-known/jwks.json", other.issuer());
    assert_eq!(
        harness.http.get(keys).send().await.unwrap().status(),
        StatusCode::OK
    );

    let path = std::env::temp_dir().join(format!("local-clerk-authority-{}.pem", std::process::id()));
    authority.save(&path).unwrap();
    let saved = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(saved, authority.pem());
    assert!(saved.starts_with("-----BEGIN CERTIFICATE-----") && !saved.contains("PRIVATE"));
    // A client that does not trust the authority cannot connect.
    let stranger = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(harness.url("/.well-known/jwks.json"))
        .send()
        .await;
    assert!(stranger.is_err());
    assert!(Harness::start().await.clerk.authority().is_none());
    let debug = format!("{:?}", Authority::generate().unwrap());
    assert_eq!(debug, "Authority { .. }");
}

#[tokio::test]
async fn users_and_organizations_are_read_from_a_file() {
    let state = State::parse("celestial.toml", CELESTIAL).unwrap();
    let harness = Harness::start_with(|builder| builder.state(state).auto_approve("Mary")).await;
    let users = harness.clerk.sample_users();
    let names: Vec<&str> = users.iter().map(|user| user.first_name.as_str()).collect();
    assert_eq!(names, ["Mary", "Caroline"]);
    assert_eq!(users[0].organizations[0].role, "org:admin");
    let caroline = harness
        .backend(&format!("/v1/users/{}", users[1].id))
        .await
        .json();
    assert_eq!(caroline["banned"], true);
    let token = harness
        .clerk
        .session_token_in("Mary", "celestial-mechanics")
        .unwrap();
    assert!(
        token
            .claim_value("fea")
            .unwrap()
            .as_str()
            .unwrap()
            .ends_with(",u:telescope")
    );
}

#[test]
fn invalid_file_is_reported_with_line_and_column() {
    for (text, expected) in [
        ("[[users]\n", "x.toml:1:"),
        (
            "\n[[users]]\nfirstname = \"Mary\"\n",
            "x.toml:3:1: unknown field `firstname`",
        ),
        ("[[users]]\nfeatures = \"a\"\n", "x.toml:2:12: invalid type"),
        (
            "[[organizations]]\nslug = \"a\"\n",
            "x.toml:1:1: missing field `name`",
        ),
        (
            "[[users]]\nid = \"u\"\n\n[[users]]\nid = \"u\"\n",
            "x.toml:4:1: \"u\" exists already",
        ),
        (
            "[[organizations]]\nname = \"A\"\nmembers = [\n  { user = \"Mary\", role = \"org:admin\" },\n]\n",
            "x.toml:4:12: no user has the id, email address or first name \"Mary\"",
        ),
        (
            "[[users]]\nfirst_name = \"Mary\"\n[[organizations]]\nname = \"A\"\n[[organizations.members]]\nuser = \"Mary\"\nrole = \"owner\"\n",
            "x.toml:7:8: no role has the key \"owner\"",
        ),
        (
            "[[roles]]\nkey = \"admin\"\nname = \"Admin\"\n",
            "x.toml:1:1: invalid value \"admin\": expected a role key",
        ),
    ] {
        let error = State::parse("x.toml", text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = State::read("/nowhere/state.toml").unwrap_err();
    assert!(matches!(error, StateError::Unreadable { .. }), "{error}");
    assert_eq!(
        StartError::from(error).to_string(),
        "cannot read /nowhere/state.toml"
    );
}

#[tokio::test]
async fn legacy_resource_indicators_ignore_the_resource_parameter() {
    let harness = Harness::start_with(|builder| {
        builder
            .auto_approve("Ada")
            .resource_indicators(ResourceIndicators::Legacy)
    })
    .await;
    let client = harness.public_client().await;
    for resource in [RESOURCE, "not a uri"] {
        let code = harness.code(&client, &[("resource", resource)]).await;
        let tokens = harness
            .redeem(&client, &code, &[("resource", "another")])
            .await
            .json();
        assert!(claims(text(&tokens, "access_token")).get("aud").is_none());
        let refreshed = harness
            .refresh(&client, text(&tokens, "refresh_token"), &[("resource", RESOURCE)])
            .await
            .json();
        assert!(claims(text(&refreshed, "access_token")).get("aud").is_none());
    }
}

#[tokio::test]
async fn only_registered_resources_are_granted_once_one_is_registered() {
    for mode in [ResourceIndicators::Registered, ResourceIndicators::Strict] {
        let harness =
            Harness::start_with(|builder| builder.auto_approve("Ada").resource_indicators(mode)).await;
        let client = harness.public_client().await;
        let audience = async || {
            let tokens = harness.tokens(&client, &[("resource", RESOURCE)]).await;
            claims(text(&tokens, "access_token")).get("aud").cloned()
        };
        // Before the first registration, nothing or everything is granted.
        let expected = (mode == ResourceIndicators::Strict).then(|| json!([RESOURCE]));
        assert_eq!(audience().await, expected, "{mode:?}");
        harness.clerk.register_resource(RESOURCE);
        assert_eq!(audience().await, Some(json!([RESOURCE])), "{mode:?}");
        for other in ["https://other.example.com/mcp", &format!("{RESOURCE}/")] {
            let answer = harness.authorize(&client, &[("resource", other)]).await;
            assert_eq!(answer.callback()["error"], "invalid_target", "{mode:?}: {other}");
        }
        let tokens = harness.tokens(&client, &[]).await;
        assert_eq!(claims(text(&tokens, "access_token")).get("aud"), None, "{mode:?}");
    }
}

#[tokio::test]
async fn refresh_leeway_lets_concurrent_refreshes_succeed_until_it_ends() {
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = Arc::clone(&now);
    let harness = Harness::start_with(|builder| {
        builder
            .auto_approve("Ada")
            .refresh_leeway(Duration::from_secs(10))
            .clock(move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap())
    })
    .await;
    let client = harness.public_client().await;
    let tokens = harness.tokens(&client, &[]).await;
    let token = text(&tokens, "refresh_token");
    let answers = join_all((0..5).map(|_| harness.refresh(&client, token, &[]))).await;
    let refreshed: BTreeSet<_> = answers
        .iter()
        .map(|answer| text(&answer.json(), "refresh_token").to_owned())
        .collect();
    assert_eq!(refreshed.len(), 5, "each refresh returns a token of its own");
    now.fetch_add(9, Ordering::SeqCst);
    let last = harness.refresh(&client, token, &[]).await.json();
    // The leeway begins with the first use, not with the last.
    now.fetch_add(1, Ordering::SeqCst);
    harness
        .refresh(&client, token, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
    harness
        .refresh(&client, text(&last, "refresh_token"), &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn custom_scope_is_published_described_and_granted() {
    let harness =
        Harness::start_with(|builder| builder.custom_scope("invoices:read", "See your invoices")).await;
    let metadata = harness
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    let supported = metadata["scopes_supported"].as_array().unwrap();
    assert_eq!(supported.last(), Some(&json!("invoices:read")));
    let client = harness.register("none", "profile invoices:read").await;
    let page = harness.authorize(&client, &[]).await;
    assert!(
        page.body.contains("See your invoices <code>invoices:read</code>"),
        "{}",
        page.body
    );
    harness.clerk.set_auto_approve(Some("Ada")).unwrap();
    let tokens = harness.tokens(&client, &[]).await;
    assert_eq!(tokens["scope"], "profile invoices:read");
}

#[tokio::test]
async fn registration_can_be_turned_off() {
    let harness = Harness::start_with(|builder| builder.dynamic_registration(false)).await;
    let metadata = harness
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    assert!(metadata.get("registration_endpoint").is_none());
    let answer = harness
        .post_registration(&json!({ "redirect_uris": [CALLBACK] }))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.json()["errors"][0]["code"],
        "feature_requires_dynamic_oauth_client_registration"
    );
}

#[tokio::test]
async fn backend_api_rate_limit_exempts_the_jwks() {
    let limit = RateLimit {
        requests: 2,
        period: Duration::from_secs(10),
    };
    let harness = Harness::start_with(|builder| builder.rate_limit(limit)).await;
    let user = format!("/v1/users/{ADA}");
    for (advance, status) in [(0, 200), (4, 200), (0, 429), (6, 200)] {
        harness.clock.advance(SignedDuration::from_secs(advance));
        let answer = harness.backend(&user).await;
        assert_eq!(answer.status.as_u16(), status);
        if status == 429 {
            assert_eq!(answer.header("retry-after"), Some("6"));
            assert_eq!(answer.json()["errors"][0]["code"], "too_many_requests");
        }
        assert_eq!(harness.backend("/v1/jwks").await.status, StatusCode::OK);
    }
    assert_eq!(harness.clerk.request_count(Endpoint::BackendUser), 4);
}
