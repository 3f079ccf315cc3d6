//! `run --login`: errors of each step. `tests/matrix` tests logins that succeed.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use local_clerk::LocalClerk;
use poem::{
    IntoResponse as _, Request, Response,
    http::{StatusCode, header},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{file, program, serve};

/// Starts a server whose metadata names an authorization server on the same host, and that server.
async fn impostor(change: fn(&str, SocketAddr, &mut Value)) -> String {
    let address = Arc::new(OnceLock::<SocketAddr>::new());
    let known = Arc::clone(&address);
    let bound = serve(move |request: Request| answer(&request, *known.get().unwrap(), change)).await;
    address.set(bound).unwrap();
    format!("http://{bound}/mcp")
}

/// Answers as a correct server and authorization server would, except for `change`.
fn answer(request: &Request, address: SocketAddr, change: fn(&str, SocketAddr, &mut Value)) -> Response {
    let path = request.uri().path().to_owned();
    let mut document = match path.as_str() {
        "/mcp" => return StatusCode::UNAUTHORIZED.into_response(),
        "/.well-known/oauth-protected-resource/mcp" => json!({
            "resource": format!("http://{address}/mcp"),
            "authorization_servers": [format!("http://{address}")],
        }),
        "/.well-known/oauth-authorization-server" => json!({
            "issuer": format!("http://{address}"),
            "authorization_endpoint": format!("http://{address}/authorize"),
            "token_endpoint": format!("http://{address}/token"),
            "registration_endpoint": format!("http://{address}/register"),
            "code_challenge_methods_supported": ["S256"],
        }),
        "/register" => json!({ "client_id": "client" }),
        "/authorize" => {
            let query = request.uri().query().unwrap_or_default();
            let url = reqwest::Url::parse(&format!("http://a/?{query}")).unwrap();
            let value = |name: &str| {
                url.query_pairs()
                    .find(|(one, _)| one == name)
                    .unwrap()
                    .1
                    .into_owned()
            };
            json!({ "redirect_uri": value("redirect_uri"), "state": value("state") })
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    change(&path, address, &mut document);
    if path == "/authorize" {
        let text = |name: &str| document[name].as_str().unwrap_or_default();
        let location = format!(
            "{}?code=c&state={}{}",
            text("redirect_uri"),
            text("state"),
            text("more")
        );
        return Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, location)
            .finish();
    }
    Response::builder()
        .content_type("application/json")
        .body(document.to_string())
}

#[tokio::test]
async fn each_step_of_a_login_has_its_error() {
    type Change = fn(&str, SocketAddr, &mut Value);
    let changes: [(Change, &str); 9] = [
        (
            |_, _, document| *document = json!([]),
            "there is no protected resource metadata (RFC 9728): http://",
        ),
        (
            |_, _, document| document["resource"] = json!("https://elsewhere.example/mcp"),
            "is for the resource \"https://elsewhere.example/mcp\", not for http://",
        ),
        (
            |_, _, document| document["authorization_servers"] = json!([]),
            "names no URL in `authorization_servers`",
        ),
        (
            |path, _, document| {
                if path.ends_with("server") {
                    document["issuer"] = json!("https://elsewhere.example");
                }
            },
            "is of the issuer \"https://elsewhere.example\", not of http://",
        ),
        (
            |_, _, document| document["code_challenge_methods_supported"] = json!(["plain"]),
            "does not list S256 in `code_challenge_methods_supported`",
        ),
        (
            |_, _, document| document["registration_endpoint"] = Value::Null,
            "has no registration endpoint. Turn on dynamic client registration (RFC 7591)",
        ),
        (
            |path, _, document| {
                if path == "/register" {
                    *document = json!({ "error": "invalid_redirect_uri" });
                }
            },
            "/register registered no client: it answered 200 invalid_redirect_uri",
        ),
        (
            |_, _, document| document["more"] = json!("&iss=https://elsewhere.example"),
            "the redirect is from the issuer \"https://elsewhere.example\", not from http://",
        ),
        (
            |_, _, document| document["state"] = json!("another"),
            "the redirect has no `state` or another one",
        ),
    ];
    for (change, expected) in changes {
        let url = impostor(change).await;
        let (code, stdout, stderr) = program(&["run", "--url", &url, "--login"]).await;
        assert_eq!(code, Some(2), "{stdout}{stderr}");
        let start = "error: --login: ";
        assert!(
            stderr.starts_with(start) && stderr.contains(expected),
            "{expected}\n{stderr}"
        );
    }
    let url = impostor(|_, _, _| ()).await;
    let (_, _, stderr) = program(&["run", "--url", &url, "--login"]).await;
    assert!(
        stderr.contains("/token issued no token: it answered 404"),
        "{stderr}"
    );
}

#[tokio::test]
async fn address_to_open_is_printed() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let issuer = clerk.issuer().to_owned();
    let address = Arc::new(OnceLock::<SocketAddr>::new());
    let known = Arc::clone(&address);
    let bound = serve(move |request: Request| match request.uri().path() {
        "/.well-known/oauth-protected-resource" => {
            let resource = format!("http://{}", known.get().unwrap());
            let document = json!({ "resource": resource, "authorization_servers": [issuer] });
            Response::builder().body(document.to_string())
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    })
    .await;
    address.set(bound).unwrap();
    let url = format!("http://{bound}/mcp");
    let (code, stdout, stderr) = program(&["run", "--url", &url, "--login", "--login-timeout", "1"]).await;
    assert_eq!(code, Some(2), "{stdout}{stderr}");
    for expected in [
        "Open this address and sign in, to get a token for this server:\n  http://127.0.0.1:",
        "error: --login: the sign-in was not finished within 1 s: open the address above in time, or raise \
         --login-timeout\n",
    ] {
        assert!(stderr.contains(expected), "{stderr}");
    }
    clerk.stop().await;
}

#[tokio::test]
async fn login_excludes_other_sources_of_tokens() {
    let folder = TempDir::new().unwrap();
    let token = format!("oauth_token={}", file(&folder, "token.txt", "a.b.c"));
    for other in [
        ["--token", &token],
        ["--clerk", "http://127.0.0.1:9"],
        ["--command", "true"],
    ] {
        let arguments = [&["run", "--url", "http://127.0.0.1:9/mcp", "--login"][..], &other].concat();
        let (code, _, stderr) = program(&arguments).await;
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("cannot be used with"), "{stderr}");
    }
}
