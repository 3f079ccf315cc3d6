//! `doctor`: a healthy setup passes, and each problem fails its check with a remedy.

use std::process::Output;

use clerk_mcp::policy::{Requirement, ToolPolicy};
use local_clerk::{Endpoint, Fault, LocalClerk};
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

/// Runs `doctor` with these arguments and variables.
async fn doctor(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = Folder::new("doctor");
    let mut command = program(&folder.0);
    command
        .arg("doctor")
        .args(arguments)
        .envs(variables.iter().copied());
    // Clerk and the server run on this test's runtime, so the test must not block it.
    tokio::task::spawn_blocking(move || {
        let _folder = folder;
        command.output().unwrap()
    })
    .await
    .unwrap()
}

/// Returns the variables of a server and its Clerk, with these changes.
fn variables_except<'a>(
    server: &'a TestServer,
    changes: &[(&'static str, &'a str)],
) -> Vec<(&'static str, String)> {
    let mut variables = server.clerk.environment();
    variables.push(("BASE_URL", server.url.clone()));
    variables.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    variables
}

/// Runs `doctor` with these changes. Returns the names of the failed checks, and the detail of the first.
async fn failed_checks(server: &TestServer, changes: &[(&'static str, &str)]) -> (Vec<String>, Value) {
    let variables = variables_except(server, changes);
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
async fn healthy_setup_passes_every_check() {
    let server = running().await;
    let variables = variables_except(&server, &[]);
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let output = doctor(&[], &variables).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let text = text
        .replace(&server.url, "http://server")
        .replace(server.clerk.issuer(), "http://clerk")
        .replace(server.clerk.domain(), "clerk");
    insta::assert_snapshot!(text);
}

/// Discovery and `ping` need no token at such a server.
#[tokio::test]
async fn server_with_a_public_tool_is_healthy() {
    let server = TestServer::builder()
        .published_at_its_own_address()
        .policy(ToolPolicy::new().public("greet"))
        .spawn()
        .await;
    assert_eq!(failed_checks(&server, &[]).await, (vec![], Value::Null));
}

#[tokio::test]
async fn wrong_key_application_or_api_url_fails_its_checks() {
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
            vec!["frontend-api"],
        ),
        (
            vec![
                ("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9"),
                ("CLERK_JWT_KEY", &key),
            ],
            vec!["frontend-api"],
        ),
        (
            vec![("CLERK_FRONTEND_API_URL", other.frontend_api_url())],
            vec!["same-application", "base-url"],
        ),
    ] {
        assert_eq!(failed_checks(&server, &changes).await.0, due, "{changes:?}");
    }
}

/// The Frontend API has another issuer, no registration, no S256, and a wrong clock.
#[tokio::test]
async fn unsuitable_metadata_fails_its_checks() {
    let server = running().await;
    let clerk = MockServer::start().await;
    let keys = crate::support::get(format!("{}/.well-known/jwks.json", server.clerk.issuer()))
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
    let (failed, first) = failed_checks(&server, &[("CLERK_FRONTEND_API_URL", &clerk.uri())]).await;
    assert_eq!(failed, ["issuer", "registration", "pkce", "clock"]);
    assert!(
        first.as_str().unwrap().contains("https://elsewhere.example.com"),
        "{first}"
    );
}

/// The Frontend API is reached at another URL than its issuer.
#[tokio::test]
async fn frontend_api_at_another_url_needs_the_issuer() {
    let server = running().await;
    let inside = MockServer::start().await;
    for route in [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
    ] {
        let document = crate::support::get(format!("{}{route}", server.clerk.issuer()))
            .await
            .unwrap();
        let document = document.json::<Value>().await.unwrap();
        Mock::given(path(route))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&inside)
            .await;
    }
    let url = inside.uri();
    let mut changes = vec![("CLERK_FRONTEND_API_URL", url.as_str())];
    assert_eq!(failed_checks(&server, &changes).await.0, ["issuer"]);
    changes.push(("CLERK_ISSUER", server.clerk.issuer()));
    assert_eq!(failed_checks(&server, &changes).await.0, [""; 0]);
}

#[tokio::test]
async fn scope_that_clerk_does_not_offer_fails_its_check() {
    let policy = ToolPolicy::new().require(
        "greet",
        Requirement::new().scopes(["greet:all"]).role("org:admin"),
    );
    let server = TestServer::builder()
        .published_at_its_own_address()
        .policy(policy)
        .spawn()
        .await;
    let changes = [
        ("SCOPES", "email,invoices:read"),
        ("REQUIRED_SCOPES", "profile,admin"),
    ];
    let (failed, detail) = failed_checks(&server, &changes).await;
    assert_eq!(failed, ["scopes"]);
    assert_eq!(
        detail,
        "Clients are told to request admin greet:all invoices:read, which Clerk does not offer, so sign-in can fail \
         with invalid_scope"
    );
}

#[tokio::test]
async fn unreachable_or_wrong_server_fails_its_checks() {
    let server = running().await;
    let unreachable = "http://127.0.0.1:9";
    assert_eq!(
        failed_checks(&server, &[("BASE_URL", unreachable)]).await.0,
        ["base-url"]
    );
    // The server answers, but publishes another name.
    let other_name = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(
        failed_checks(&server, &[("BASE_URL", &other_name)]).await.0,
        ["base-url", "mcp-endpoint"]
    );
    // A proxy removes the challenge, or answers itself.
    let proxy = MockServer::start().await;
    let resource = json!({
        "resource": format!("{}/mcp", proxy.uri()), "authorization_servers": [server.clerk.issuer()],
    });
    Mock::given(method("GET"))
        .and(path("/.well-known/oauth-protected-resource/mcp"))
        .respond_with(ResponseTemplate::new(200).set_body_json(resource))
        .mount(&proxy)
        .await;
    for (status, words) in [(401, "does not name"), (502, "with 502, not 401")] {
        let answer = Mock::given(method("POST")).respond_with(ResponseTemplate::new(status));
        let _answer = answer.mount_as_scoped(&proxy).await;
        let (failed, first) = failed_checks(&server, &[("BASE_URL", &proxy.uri())]).await;
        assert_eq!(failed, ["mcp-endpoint"]);
        assert!(first.as_str().unwrap().contains(words), "{first}");
    }
}

#[tokio::test]
async fn invalid_configuration_fails_the_first_check() {
    let output = doctor(&[], &[("CLERK_SECRET_KEY", "sk_prod_hush")]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hush"), "{text}");
    insta::assert_snapshot!(text);
}

/// Runs `doctor` and returns its text without ports, which differ in each run.
async fn text_of(server: &TestServer, changes: &[(&'static str, &str)]) -> String {
    let variables = variables_except(server, changes);
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let text = String::from_utf8(doctor(&[], &variables).await.stdout).unwrap();
    let (server_port, clerk_port) = (
        server.url.rsplit(':').next().unwrap(),
        server.clerk.issuer().rsplit(':').next().unwrap(),
    );
    text.replace(server_port, "[port]").replace(clerk_port, "[clerk]")
}

/// An outage of Clerk is no reason to change the configuration, and later checks repeat no advice.
#[tokio::test]
async fn outage_of_clerk_is_named() {
    let server = running().await;
    for endpoint in [
        Endpoint::AuthorizationServerMetadata,
        Endpoint::Jwks,
        Endpoint::BackendJwks,
    ] {
        server.clerk.inject(Fault::Status(503).at(endpoint));
    }
    insta::assert_snapshot!(text_of(&server, &[]).await, @"
      ok    config            All required variables are set, and all values are
                              valid.
      -     kind              The Frontend API is on this machine, where test and
                              live keys both work.
      FAIL  frontend-api      Cannot read the OAuth metadata of
                              http://127.0.0.1:[clerk]: the response has HTTP status
                              503. Clerk answered with a server error, so the
                              configuration may be correct. See
                              https://status.clerk.com, and run doctor again later.
      ?     issuer            Skipped: the OAuth metadata could not be read.
      ?     key-set           Skipped: the Frontend API could not be read.
      FAIL  secret-key        Cannot check CLERK_SECRET_KEY with 127.0.0.1:[clerk]:
                              the response has HTTP status 503. Clerk answered with
                              a server error, so the configuration may be correct.
                              See https://status.clerk.com, and run doctor again
                              later.
      ?     same-application  Skipped: there are no keys to compare.
      ?     registration      Skipped: the OAuth metadata could not be read.
      -     resource          Make sure that http://127.0.0.1:[port]/mcp is
                              registered in Clerk Dashboard > Agents > MCP servers.
                              Otherwise tokens have no audience.
      ?     pkce              Skipped: the OAuth metadata could not be read.
      ok    clock             This machine's clock agrees with Clerk's.
      ok    base-url          The server answers at http://127.0.0.1:[port] with
                              matching metadata.
      ?     scopes            Skipped: the OAuth metadata lists no scopes.
      ok    mcp-endpoint      http://127.0.0.1:[port]/mcp asks for a token, and its
                              challenge names the metadata.

    2 checks failed.
    ");
}

#[tokio::test]
async fn unreachable_frontend_api_is_reported_once() {
    let server = running().await;
    let changes = [
        ("CLERK_FRONTEND_API_URL", "http://127.0.0.1:9"),
        ("CLERK_API_URL", "http://127.0.0.1:9"),
    ];
    insta::assert_snapshot!(text_of(&server, &changes).await, @"
      ok    config            All required variables are set, and all values are
                              valid.
      -     kind              The Frontend API is on this machine, where test and
                              live keys both work.
      FAIL  frontend-api      Cannot read the OAuth metadata of http://127.0.0.1:9:
                              cannot connect. Compare CLERK_DOMAIN with Clerk
                              Dashboard > Configure > Domains > Frontend API. Behind
                              a proxy, set HTTPS_PROXY.
      ?     issuer            Skipped: the OAuth metadata could not be read.
      ?     key-set           Skipped: the Frontend API could not be read.
      FAIL  secret-key        Cannot check CLERK_SECRET_KEY with 127.0.0.1:9: cannot
                              connect. Check CLERK_API_URL, and whether a firewall
                              blocks connections. Behind a proxy, set HTTPS_PROXY.
      ?     same-application  Skipped: there are no keys to compare.
      ?     registration      Skipped: the OAuth metadata could not be read.
      -     resource          Make sure that http://127.0.0.1:[port]/mcp is
                              registered in Clerk Dashboard > Agents > MCP servers.
                              Otherwise tokens have no audience.
      ?     pkce              Skipped: the OAuth metadata could not be read.
      ?     clock             Skipped: Clerk sent no Date header.
      ?     base-url          Skipped: an earlier check failed, so the issuer to
                              compare with is not known.
      ?     scopes            Skipped: the OAuth metadata lists no scopes.
      ok    mcp-endpoint      http://127.0.0.1:[port]/mcp asks for a token, and its
                              challenge names the metadata.

    2 checks failed.
    ");
}
