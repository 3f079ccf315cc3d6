//! Targets with sessions: who presents one, and who must not need any.

use std::{sync::Arc, time::Duration};

use clerk_mcp_conformance::{
    case::Catalogue,
    profile::Profile,
    results::Outcome,
    runner::{self, Options, Selection, TargetOptions},
    target::{Launcher, Running},
};
use poem::{
    Request, Response, Server, handler,
    http::{StatusCode, header},
    listener::{Listener as _, TcpListener},
};
use serde_json::{Value, json};

const SESSION: &str = "Mcp-Session-Id";

/// Strangers are challenged, `initialize` starts a session, and everything else needs it.
#[handler]
fn answer(request: &Request, body: String) -> Response {
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(
                header::WWW_AUTHENTICATE,
                r#"Bearer resource_metadata="http://a/""#,
            )
            .finish();
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body.into_bytes()) else {
        return StatusCode::BAD_REQUEST.into();
    };
    let starts = message["method"] == "initialize";
    if starts == request.headers().contains_key(SESSION) {
        return StatusCode::BAD_REQUEST.into();
    }
    Response::builder()
        .header(SESSION, "7f3c")
        .content_type("application/json")
        .body(json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string())
}

/// It ends with the test.
struct Lasting;

impl Running for Lasting {}

#[tokio::test]
async fn a_session_is_started_for_whoever_has_a_token_and_needs_one() {
    let launch: Launcher = Arc::new(|environment| {
        Box::pin(async move {
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            let acceptor = TcpListener::bind(address).into_acceptor().await.unwrap();
            tokio::spawn(Server::new_with_acceptor(acceptor).run(answer));
            Ok(Box::new(Lasting) as Box<dyn Running>)
        })
    });
    let mut profile = Profile::find("generic").unwrap();
    profile.sessions = true;
    // A message as usual, one as text, one without a token and without a verdict by a word, and one that must not be
    // refused for its session alone.
    let only = [
        "protocol.notification",
        "protocol.same-id",
        "challenges.unknown-path-below",
        "protocol.method-twice",
    ];
    let options = Options {
        profile,
        target: TargetOptions::Inside(launch),
        selection: Selection {
            only: only.map(ToOwned::to_owned).to_vec(),
            ..Selection::default()
        },
        baseline: None,
        jobs: 1,
        timeout: Duration::from_secs(10),
        start_timeout: Duration::from_secs(10),
        authority: None,
        rerun: String::new(),
    };
    let results = runner::run(&Catalogue::built_in().unwrap(), &options, &())
        .await
        .unwrap();
    for case in &results.cases {
        // It answers notifications with 200, which is what the case is about and not that it got through.
        let due = match case.id.as_str() {
            "protocol.notification" => Outcome::Fail,
            // Of two methods it takes the last, as serde_json does.
            "protocol.method-twice" => Outcome::Warn,
            _ => Outcome::Pass,
        };
        assert_eq!(
            case.outcome, due,
            "{}: {:?} {:?}",
            case.id, case.reason, case.findings
        );
    }
}

#[test]
fn a_profile_with_a_typing_error_is_refused() {
    let start = "name = \"a\"\nabout = \"b\"\naccepts = [\"session_token\"]\n";
    for (line, said) in [
        (
            "offers = [\"cros\"]",
            "offers: unknown option \"cros\" (list --options)",
        ),
        (
            "settings = { audiense = \"A\" }",
            "settings: unknown setting \"audiense\" (list --settings)",
        ),
        (
            "key_interval = \"soon\"",
            "key_interval: expected a duration such as 30s or 500ms, got \"soon\"",
        ),
        (
            "base_path = \"/app/\"",
            "base_path: expected a path such as /app, without a slash at its end, got \"/app/\"",
        ),
    ] {
        let error = Profile::parse("mine.toml", &format!("{start}{line}\n")).unwrap_err();
        assert_eq!(error.to_string(), format!("mine.toml: {said}"));
    }
}
