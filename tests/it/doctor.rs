//! `doctor`: what it finds when nothing is wrong, and of each thing that can be.

use std::process::Output;

use local_clerk::LocalClerk;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{
    TestServer,
    program::{Folder, program},
    server::signing_key,
};

/// Runs `doctor` with these variables.
async fn doctor(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = Folder::new("doctor");
    let mut command = program(&folder.0);
    command
        .arg("doctor")
        .args(arguments)
        .envs(variables.iter().copied());
    // Clerk and the server answer meanwhile, on this test's runtime.
    tokio::task::spawn_blocking(move || {
        let _folder = folder;
        command.output().unwrap()
    })
    .await
    .unwrap()
}

/// The variables of a server and its Clerk, with these changed.
fn but<'a>(server: &'a TestServer, changes: &[(&'static str, &'a str)]) -> Vec<(&'static str, String)> {
    let mut variables = server.clerk.environment();
    variables.push(("BASE_URL", server.url.clone()));
    variables.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    variables
}

/// What is wrong when these variables are changed: the checks, and the first one's words.
async fn faults(server: &TestServer, changes: &[(&'static str, &str)]) -> (Vec<String>, Value) {
    let variables = but(server, changes);
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let output = doctor(&["--json"], &variables).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["verdict"] == "failed")
        .collect();
    assert!(
        failed.iter().all(|finding| finding["remedy"].is_string()),
        "{report}"
    );
    assert_eq!(
        (output.status.code(), &report["healthy"]),
        if failed.is_empty() {
            (Some(0), &json!(true))
        } else {
            (Some(1), &json!(false))
        }
    );
    let names = failed
        .iter()
        .map(|finding| finding["check"].as_str().unwrap().to_owned())
        .collect();
    (
        names,
        failed
            .first()
            .map_or(Value::Null, |finding| finding["detail"].clone()),
    )
}

async fn running() -> TestServer {
    TestServer::builder().published_at_its_own_address().spawn().await
}

#[tokio::test]
async fn nothing_is_wrong() {
    let server = running().await;
    let variables = but(&server, &[]);
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let output = doctor(&[], &variables).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let text = text
        .replace(&server.url, "http://server")
        .replace(server.clerk.issuer(), "http://clerk");
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_is_wrong_with_clerk_s_side() {
    let server = running().await;
    let key = signing_key().public_key_pem();
    let other = LocalClerk::builder().seed(7).start().await.unwrap();
    for (changes, due) in [
        (vec![("CLERK_SECRET_KEY", "sk_test_wrong")], vec!["secret-key"]),
        (
            vec![
                ("CLERK_API_URL", other.backend_api_url()),
                ("CLERK_SECRET_KEY", other.secret_key()),
            ],
            vec!["same-application"],
        ),
        (vec![("CLERK_API_URL", "http://127.0.0.1:9")], vec!["secret-key"]),
        (
            vec![("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9")],
            vec!["frontend-api", "key-set", "base-url"],
        ),
        (
            vec![
                ("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9"),
                ("CLERK_JWT_KEY", &key),
            ],
            vec!["frontend-api", "base-url"],
        ),
        (
            vec![("CLERK_FRONTEND_API_URL", other.frontend_api_url())],
            vec!["same-application", "base-url"],
        ),
    ] {
        assert_eq!(faults(&server, &changes).await.0, due, "{changes:?}");
    }
}

/// A Frontend API that isn't as MCP clients need it.
#[tokio::test]
async fn what_is_wrong_with_the_metadata() {
    let server = running().await;
    let clerk = MockServer::start().await;
    let keys = reqwest::get(format!("{}/.well-known/jwks.json", server.clerk.issuer()))
        .await
        .unwrap()
        .json::<Value>()
        .await
        .unwrap();
    Mock::given(method("GET"))
        .and(path("/.well-known/jwks.json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(keys))
        .mount(&clerk)
        .await;
    let metadata =
        json!({ "issuer": "https://elsewhere.example.com", "code_challenge_methods_supported": ["plain"] });
    Mock::given(method("GET"))
        .and(path("/.well-known/oauth-authorization-server"))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
                .set_body_json(metadata),
        )
        .mount(&clerk)
        .await;
    let (failed, first) = faults(&server, &[("CLERK_FRONTEND_API_URL", &clerk.uri())]).await;
    assert_eq!(failed, ["issuer", "registration", "pkce", "clock", "base-url"]);
    assert!(
        first.as_str().unwrap().contains("https://elsewhere.example.com"),
        "{first}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_server() {
    let server = running().await;
    let nobody = "http://127.0.0.1:9";
    assert_eq!(faults(&server, &[("BASE_URL", nobody)]).await.0, ["base-url"]);
    // It answers, and calls itself by another name.
    let other_name = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(
        faults(&server, &[("BASE_URL", &other_name)]).await.0,
        ["base-url", "mcp-endpoint"]
    );
    // Something between takes away what leads to the sign-in.
    let proxy = MockServer::start().await;
    let resource = json!({
        "resource": format!("{}/mcp", proxy.uri()), "authorization_servers": [server.clerk.issuer()],
    });
    Mock::given(method("GET"))
        .and(path("/.well-known/oauth-protected-resource/mcp"))
        .respond_with(ResponseTemplate::new(200).set_body_json(resource))
        .mount(&proxy)
        .await;
    for (status, words) in [(401, "doesn't say where"), (502, "with 502, not 401")] {
        let answer = Mock::given(method("POST")).respond_with(ResponseTemplate::new(status));
        let _answer = answer.mount_as_scoped(&proxy).await;
        let (failed, first) = faults(&server, &[("BASE_URL", &proxy.uri())]).await;
        assert_eq!(failed, ["mcp-endpoint"]);
        assert!(first.as_str().unwrap().contains(words), "{first}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_the_first_thing() {
    let output = doctor(&[], &[("CLERK_SECRET_KEY", "sk_prod_hush")]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hush"), "{text}");
    insta::assert_snapshot!(text);
}
