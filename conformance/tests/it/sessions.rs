//! Targets that require `Mcp-Session-Id`, and errors in profiles.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};

use clerk_mcp_conformance::{
    case::Catalog,
    profile::Profile,
    results::{Outcome, Results},
    runner::{self, Options, Selection, TargetOptions},
    target::{Launcher, Running},
};
use poem::{
    Request, Response, Server, handler,
    http::{StatusCode, header},
    listener::{Listener as _, TcpAcceptor, TcpListener},
};
use serde_json::{Value, json};

const SESSION: &str = "Mcp-Session-Id";

/// Rejects requests without a token, starts a session on `initialize`, and requires the session for all other
/// requests.
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

/// Rejects every token.
#[handler]
fn reject() -> Response {
    Response::builder()
        .status(StatusCode::UNAUTHORIZED)
        .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        .finish()
}

/// Of each session: the `Authorization` header of its user, and the ids that were used in it.
static SESSIONS: Mutex<Vec<(String, BTreeSet<String>)>> = Mutex::new(Vec::new());

/// Starts a session on `initialize`, which only its user can use, and in which no id can be used twice. Other
/// requests return the claims of the token.
#[handler]
fn answer_to_owner(request: &Request, body: String) -> Response {
    let Some(token) = request.header(header::AUTHORIZATION) else {
        return StatusCode::UNAUTHORIZED.into();
    };
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims = String::from_utf8(claims).unwrap();
    let message: Value = serde_json::from_slice(&body.into_bytes()).unwrap();
    let mut sessions = SESSIONS.lock().unwrap();
    let session = if let Some(session) = request.header(SESSION) {
        session.parse().unwrap()
    } else {
        sessions.push((token.to_owned(), BTreeSet::new()));
        sessions.len() - 1
    };
    let (owner, used_ids) = &mut sessions[session];
    let is_new = message.get("id").is_none_or(|id| used_ids.insert(id.to_string()));
    if token != owner || !is_new {
        return StatusCode::BAD_REQUEST.into();
    }
    Response::builder()
        .header(SESSION, session.to_string())
        .content_type("application/json")
        .body(json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "claims": claims } }).to_string())
}

/// A server that runs until the test ends.
struct AlwaysRunning;

impl Running for AlwaysRunning {}

/// Starts a server on the port that the suite chose.
fn launcher(serve: fn(TcpAcceptor)) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            serve(TcpListener::bind(address).into_acceptor().await.unwrap());
            Ok(Box::new(AlwaysRunning) as Box<dyn Running>)
        })
    })
}

async fn results(profile: Profile, launch: Launcher, only: &[&str]) -> Results {
    let options = Options {
        profile,
        target: TargetOptions::Inside(launch),
        selection: Selection {
            only: only.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        },
        baseline: None,
        jobs: 1,
        timeout: Duration::from_secs(10),
        start_timeout: Duration::from_secs(10),
        authority: None,
        rerun: String::new(),
    };
    runner::run(&Catalog::built_in().unwrap(), &options, &())
        .await
        .unwrap()
}

fn assert_first_passes(results: &Results) {
    let case = results.cases.first().unwrap();
    assert_eq!(
        case.outcome,
        Outcome::Pass,
        "{:?} {:?}",
        case.reason,
        case.findings
    );
}

#[tokio::test]
async fn each_user_has_a_session_and_no_id_is_used_twice_in_it() {
    let launch = launcher(|acceptor| {
        tokio::spawn(Server::new_with_acceptor(acceptor).run(answer_to_owner));
    });
    let mut profile = Profile::find("generic").unwrap();
    profile.sessions = true;
    profile.identity_tool = Some("whoami".to_owned());
    let results = results(profile, launch, &["tools.callers-at-once"]).await;
    assert_first_passes(&results);
}

#[tokio::test]
async fn a_token_that_must_be_rejected_needs_no_session() {
    let launch: Launcher = Arc::new(|environment| {
        Box::pin(async move {
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            let acceptor = TcpListener::bind(address).into_acceptor().await.unwrap();
            let server = Server::new_with_acceptor(acceptor);
            // No token of the case has the required scope.
            if environment.contains_key("REQUIRED_SCOPES") {
                tokio::spawn(server.run(reject));
            } else {
                tokio::spawn(server.run(answer));
            }
            Ok(Box::new(AlwaysRunning) as Box<dyn Running>)
        })
    });
    let mut profile = Profile::find("generic").unwrap();
    profile.sessions = true;
    profile
        .settings
        .insert("required_scopes".to_owned(), "REQUIRED_SCOPES".to_owned());
    let results = results(profile, launch, &["scopes.for-every-message"]).await;
    assert_first_passes(&results);
}

#[tokio::test]
async fn sessions_are_started_only_for_requests_with_a_token() {
    let launch = launcher(|acceptor| {
        tokio::spawn(Server::new_with_acceptor(acceptor).run(answer));
    });
    let mut profile = Profile::find("generic").unwrap();
    profile.sessions = true;
    // An ordinary message, a message given as text, a request without a token whose case expects no named
    // answer, and a request that the server must not reject only because the session is missing.
    let only = [
        "protocol.notification",
        "protocol.same-id",
        "challenges.unknown-path-below",
        "protocol.method-twice",
    ];
    let results = results(profile, launch, &only).await;
    for case in &results.cases {
        // The server answers notifications with 200, so the case fails for its own reason and not for lack of
        // a session.
        let expected = match case.id.as_str() {
            "protocol.notification" => Outcome::Fail,
            // The server uses the second of two methods, as serde_json does.
            "protocol.method-twice" => Outcome::Warn,
            _ => Outcome::Pass,
        };
        assert_eq!(
            case.outcome, expected,
            "{}: {:?} {:?}",
            case.id, case.reason, case.findings
        );
    }
}

#[test]
fn profiles_with_typos_are_rejected() {
    let start = "name = \"a\"\nabout = \"b\"\naccepts = [\"session_token\"]\n";
    for (line, expected) in [
        (
            "offers = [\"cros\"]",
            "offers: unknown option \"cros\": did you mean cors?",
        ),
        (
            "offers = [\"identity\"]",
            "offers: name the tool in identity_tool instead of \"identity\"",
        ),
        (
            "settings = { audiense = \"A\" }",
            "settings: unknown setting \"audiense\": did you mean audience?",
        ),
        (
            "key_interval = \"soon\"",
            "key_interval: expected a duration such as 30s or 500ms, got \"soon\"",
        ),
        (
            "base_path = \"/app/\"",
            "base_path: expected a path such as /app, without a slash at its end, got \"/app/\"",
        ),
        (
            "policy = { tools = {}, identities = { Ada = {} } }",
            "policy: the identity \"Ada\" needs a name of lowercase letters, digits and hyphens",
        ),
        (
            "policy = { tools = {}, identities = { ada = { calls = [\"greet\"] } } }",
            "policy: the identity \"ada\" calls \"greet\", which is not in policy.tools",
        ),
        (
            "policy = { tools = { greet = {} }, identities = { ada = {} } }",
            "policy: no identity may call \"greet\", so that its denials would prove nothing: add one that may",
        ),
        (
            "policy = { tools = {}, identities = { ada = { token = \"api_key\" } } }",
            "policy: the identity \"ada\" has the token \"api_key\": expected oauth_token or session_token",
        ),
    ] {
        let error = Profile::parse("mine.toml", &format!("{start}{line}\n")).unwrap_err();
        assert_eq!(error.to_string(), format!("mine.toml: {expected}"));
    }
}
