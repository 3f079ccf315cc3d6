//! Logins to a running server, and what can be tested with their tokens.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{collections::BTreeMap, net::TcpListener, time::Duration};

use clerk_mcp_conformance::{
    case::Catalog,
    login::{Login, LoginError, LoginOptions, login},
    profile::Profile,
    results::{Outcome, Results},
    runner::{Options, Selection, TargetOptions, run},
};
use local_clerk::{AccessTokens, LocalClerk};
use url::Url;

use crate::broken::{server::RunningServer, start};

/// A running server and its local Clerk.
struct Deployed {
    clerk: LocalClerk,
    mcp_url: Url,
    _server: RunningServer,
}

impl Deployed {
    async fn start(clerk: LocalClerk) -> Self {
        Self::start_with(clerk, &[]).await
    }

    async fn start_with(clerk: LocalClerk, more: &[(&str, String)]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let base_url = format!("http://127.0.0.1:{port}");
        let clerk_variables = clerk.environment().into_iter();
        let mut environment: BTreeMap<String, String> = clerk_variables
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        environment.insert("PORT".to_owned(), port.to_string());
        environment.insert("BASE_URL".to_owned(), base_url.clone());
        environment.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        Self {
            clerk,
            mcp_url: Url::parse(&format!("{base_url}/mcp")).unwrap(),
            _server: start(environment, None).await.unwrap(),
        }
    }

    async fn login(&self, open: impl Fn(&str, &Url)) -> Result<Login, LoginError> {
        let options = LoginOptions {
            mcp_url: &self.mcp_url,
            authority: None,
            timeout: LIMIT,
            sign_in_timeout: LIMIT,
        };
        login(&options, open).await
    }

    /// Runs these cases, or all if none is given, with the tokens of the login.
    async fn run(&self, login: Option<Login>, only: &[&str]) -> Results {
        let mut profile = Profile::find("generic").unwrap();
        let mut issuer = None;
        let mut tokens = Vec::new();
        if let Some(login) = login {
            login.describe_in(&mut profile);
            issuer = Some(login.issuer);
            tokens = login.tokens;
        }
        let options = Options {
            profile,
            target: TargetOptions::Running {
                mcp_url: self.mcp_url.clone(),
                tokens,
                clerk: None,
                issuer,
            },
            selection: Selection {
                only: only.iter().map(|id| (*id).to_owned()).collect(),
                ..Selection::default()
            },
            baseline: None,
            jobs: 4,
            timeout: LIMIT,
            start_timeout: LIMIT,
            authority: None,
            rerun: String::new(),
        };
        run(&Catalog::built_in().unwrap(), &options, &()).await.unwrap()
    }
}

const LIMIT: Duration = Duration::from_secs(30);

/// Fails if the authorization server shows a page.
fn no_page(purpose: &str, address: &Url) {
    panic!("{purpose}: {address}");
}

/// Returns the outcome of a case, and why it does not apply.
fn outcome<'a>(results: &'a Results, id: &str) -> (Outcome, &'a str) {
    let case = results.cases.iter().find(|case| case.id == id).unwrap();
    (case.outcome, case.reason.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn running_server_is_tested_with_the_tokens_of_a_login() {
    let deployed = Deployed::start(LocalClerk::builder().auto_approve("ada").start().await.unwrap()).await;
    let without = deployed.run(None, &[]).await;
    let login = deployed.login(no_page).await.unwrap();
    let with = deployed.run(Some(login), &[]).await;
    for id in [
        // With the token for the server, and with damaged copies of it.
        "bearer.scheme-lower-case",
        "signature.bit-flipped",
        // With the token for another server, and the token with one scope.
        "audience.other",
        "scopes.fewer",
    ] {
        assert_eq!(outcome(&without, id).0, Outcome::NotApplicable, "{id}");
        assert_eq!(outcome(&with, id), (Outcome::Pass, ""), "{id}");
    }
    let failed: Vec<&str> = with
        .cases
        .iter()
        .filter(|case| case.outcome.is_failure())
        .map(|case| case.id.as_str())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    let (before, after) = (without.summary().pass, with.summary().pass);
    assert!(
        after > before + 40,
        "{before} passed without a login, and {after} with one"
    );
}

#[tokio::test]
async fn case_whose_token_is_not_granted_does_not_apply() {
    let deployed = Deployed::start(LocalClerk::builder().auto_approve("ada").start().await.unwrap()).await;
    deployed.clerk.register_resource(deployed.mcp_url.as_str());
    let login = deployed.login(no_page).await.unwrap();
    let results = deployed
        .run(Some(login), &["audience", "bearer.scheme-lower-case"])
        .await;
    assert_eq!(outcome(&results, "bearer.scheme-lower-case"), (Outcome::Pass, ""));
    let (another, reason) = outcome(&results, "audience.other");
    assert_eq!(another, Outcome::NotApplicable);
    let start = "the login got no token for another server: ";
    assert!(
        reason.starts_with(start) && reason.contains("invalid_target"),
        "{reason}"
    );
}

#[tokio::test]
async fn login_finds_an_issuer_with_a_path() {
    let clerk = LocalClerk::builder().issuer_path("/tenant").auto_approve("ada");
    let clerk = clerk.start().await.unwrap();
    let issuer = clerk.issuer().to_owned();
    let variables = [
        ("ISSUER", issuer.clone()),
        ("JWKS_URL", format!("{issuer}/.well-known/jwks.json")),
    ];
    let deployed = Deployed::start_with(clerk, &variables).await;
    let login = deployed.login(no_page).await.unwrap();
    assert!(login.issuer.ends_with("/tenant"), "{}", login.issuer);
    let results = deployed.run(Some(login), &["bearer.scheme-lower-case"]).await;
    assert_eq!(outcome(&results, "bearer.scheme-lower-case"), (Outcome::Pass, ""));
    // OpenID Connect Discovery puts the well-known part after the path, RFC 8414 before it.
    let origin = deployed.clerk.origin();
    for url in [
        format!("{origin}/.well-known/oauth-authorization-server/tenant"),
        format!("{origin}/.well-known/openid-configuration/tenant"),
        format!("{issuer}/.well-known/openid-configuration"),
    ] {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let document: serde_json::Value = http.get(&url).send().await.unwrap().json().await.unwrap();
        assert_eq!(document["issuer"], issuer, "{url}");
    }
}

#[tokio::test]
async fn opaque_tokens_of_a_login_are_used() {
    let clerk = LocalClerk::builder()
        .auto_approve("ada")
        .access_tokens(AccessTokens::Opaque);
    let deployed = Deployed::start(clerk.start().await.unwrap()).await;
    let login = deployed.login(no_page).await.unwrap();
    let results = deployed.run(Some(login), &["bearer.scheme-lower-case"]).await;
    assert_eq!(outcome(&results, "bearer.scheme-lower-case"), (Outcome::Pass, ""));
}

/// Answers the page at this address as a user does.
async fn decide(clerk_origin: String, user: String, address: Url, decision: &'static str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = http.get(address).send().await.unwrap().text().await.unwrap();
    let (_, transaction) = page.split_once(r#"name="transaction" value=""#).unwrap();
    let transaction = transaction.split('"').next().unwrap();
    let form = [
        ("transaction", transaction),
        ("user", &user),
        ("decision", decision),
    ];
    let action = format!("{clerk_origin}/oauth/authorize/decision");
    // The client follows the redirect to the suite, as a browser does.
    let answer = http.post(action).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn user_signs_in_with_a_browser() {
    let deployed = Deployed::start(LocalClerk::builder().start().await.unwrap()).await;
    let origin = deployed.clerk.origin().to_owned();
    let ada = deployed.clerk.sample_users()[0].id.clone();
    let login = deployed.login(|purpose, address| {
        // The user refuses the token for another server.
        let decision = if purpose.contains("another server") {
            "deny"
        } else {
            "allow"
        };
        tokio::spawn(decide(origin.clone(), ada.clone(), address.clone(), decision));
    });
    let login = login.await.unwrap();
    let only = ["audience.other", "scopes.fewer"];
    let results = deployed.run(Some(login), &only).await;
    let (another, reason) = outcome(&results, "audience.other");
    assert_eq!(another, Outcome::NotApplicable);
    assert!(
        reason.contains("the consent was refused (access_denied: "),
        "{reason}"
    );
    assert_eq!(outcome(&results, "scopes.fewer"), (Outcome::Pass, ""));
}

#[tokio::test]
async fn login_fails_if_the_consent_is_refused() {
    let deployed = Deployed::start(LocalClerk::builder().start().await.unwrap()).await;
    let origin = deployed.clerk.origin().to_owned();
    let ada = deployed.clerk.sample_users()[0].id.clone();
    let login = deployed.login(|_, address| {
        tokio::spawn(decide(origin.clone(), ada.clone(), address.clone(), "deny"));
    });
    let error = login.await.err().unwrap().to_string();
    assert!(
        error.starts_with("--login: the consent was refused (access_denied: "),
        "{error}"
    );
}

#[tokio::test]
async fn login_fails_if_the_redirect_has_another_state() {
    let deployed = Deployed::start(LocalClerk::builder().start().await.unwrap()).await;
    let login = deployed.login(|_, address| {
        let mut pairs = address.query_pairs();
        let (_, redirect_uri) = pairs.find(|(name, _)| name == "redirect_uri").unwrap();
        let forged = format!("{redirect_uri}?code=forged-code&state=another-state");
        tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            http.get(forged).send().await.unwrap()
        });
    });
    let error = login.await.err().unwrap().to_string();
    assert!(
        error.starts_with("--login: the redirect has no `state` or another one")
            && !error.contains("forged-code"),
        "{error}"
    );
}
