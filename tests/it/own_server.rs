//! The test in the crate's documentation, as a user would write it.

use std::fs;

use clerk_mcp::{app::App, config::Config, mcp::ExampleTools};
use local_clerk::LocalClerk;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::test]
async fn greet_names_the_caller() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config::from_pairs(clerk.environment(), &base_url).unwrap();
    let app = App::builder(&config)
        .server(ExampleTools::new("mine"))
        .build()
        .unwrap();
    tokio::spawn(app.run(listener, std::future::pending()));

    let endpoint = format!("{base_url}/mcp");
    let token = clerk
        .oauth_token("ada", "client", &["profile"], Some(&endpoint))
        .unwrap();
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(&endpoint)
        .bearer_auth(token.mint())
        .header("Accept", "application/json, text/event-stream")
        .json(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "greet", "arguments": { "name": "Ada" } },
        }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Hello, Ada! Your Clerk user ID is user_"),
        "{answer}"
    );
}

/// A doc test would not compile a `#[tokio::test]`, so the test above stands for it.
#[test]
fn documented_test_is_the_one_above() {
    let read = |path: &str| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let this = read("tests/it/own_server.rs");
    let (_, test) = this.split_once("#[tokio::test]\n").unwrap();
    let (test, _) = test.split_once("\n}\n").unwrap();
    // The documentation has longer lines than the formatter allows.
    let words = |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")");
    let documentation = read("src/config/mod.rs").replace("///", "");
    assert!(
        words(&documentation).contains(&words(test)),
        "the test in src/config/mod.rs differs:\n{test}"
    );
}

#[test]
fn unknown_names_are_rejected() {
    let error =
        Config::from_pairs([("CLERK_DOMIAN", "x"), ("COLOR", "red")], "http://127.0.0.1:3001").unwrap_err();
    insta::assert_snapshot!(error, @r#"
    [Clerk] Invalid config: variables: there is no variable "CLERK_DOMIAN"; did you mean CLERK_DOMAIN?
    [Clerk] Invalid config: variables: there is no variable "COLOR"
    "#);
}

/// The hint names a command that only the program has.
#[test]
fn errors_of_the_library_do_not_mention_the_program() {
    let error = Config::from_pairs([("PORT", "x")], "").unwrap_err();
    insta::assert_snapshot!(error, @r#"
    [Clerk] Missing required config: CLERK_SECRET_KEY, CLERK_DOMAIN, BASE_URL
      CLERK_SECRET_KEY: Clerk Dashboard > Configure > API keys > Secret keys
      CLERK_DOMAIN: Clerk Dashboard > Configure > Domains > Frontend API
      BASE_URL: the URL at which clients reach this server, such as http://127.0.0.1:3001
    [Clerk] Invalid config: PORT: expected a port number from 0 to 65535, got "x"
    "#);
}

#[tokio::test]
async fn listen_says_which_variable_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let pairs = |host: &str| {
        [
            ("CLERK_SECRET_KEY", "sk_test_1".to_owned()),
            ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev".to_owned()),
            ("HOST", host.to_owned()),
            ("PORT", port.clone()),
        ]
    };
    let mut errors = Vec::new();
    for host in ["127.0.0.1", "203.0.113.1"] {
        let config = Config::from_pairs(pairs(host), "http://127.0.0.1:3001").unwrap();
        let error = clerk_mcp::app::listen(&config).await.unwrap_err();
        // A `main` that returns an error prints it with `Debug`.
        assert_eq!(format!("{error:?}"), error.to_string());
        errors.push(error.to_string().replace(&port, "[port]"));
    }
    insta::assert_snapshot!(errors.join("\n"), @"
    [Clerk] Cannot listen on 127.0.0.1:[port]: the address is in use by another program. Set PORT to another port, or to 0 for a free port.
    [Clerk] Cannot listen on 203.0.113.1:[port]: this machine does not have this address. Set HOST to an address of this machine.
    ");
}

#[test]
fn loopback_base_url_with_another_port_causes_a_warning() {
    let warnings = |base_url: &str, port: &str| {
        let pairs = [
            ("CLERK_SECRET_KEY", "sk_test_1"),
            ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev"),
            ("PORT", port),
        ];
        Config::from_pairs(pairs, base_url).unwrap().warnings()
    };
    assert_eq!(warnings("http://127.0.0.1:3001", "3001"), [""; 0]);
    assert_eq!(warnings("https://mcp.example.com", "3001"), [""; 0]);
    // The real port is not known.
    assert_eq!(warnings("http://127.0.0.1:3001", "0"), [""; 0]);
    insta::assert_snapshot!(warnings("http://localhost:8080", "3001").join("\n"), @"BASE_URL is http://localhost:8080, but the server listens on port 3001 (PORT): clients cannot reach it, unless a proxy on this machine forwards requests");
}
