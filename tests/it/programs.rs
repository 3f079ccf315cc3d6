//! The running program: the demo, the server, and their output.

use std::io::{BufRead, BufReader, Read};

use local_clerk::LocalClerk;
use serde_json::{Value, json};

use crate::support::{
    get, http,
    program::{Folder, RIGHT, Running, program},
    server::signing_key,
};

#[tokio::test]
async fn demo_prints_tokens_and_commands_that_work() {
    let folder = Folder::new("demo");
    // The demo must ignore this file, which is not even valid.
    folder.write(".env", "not an env file\nCLERK_SECRET_KEY=sk_live_other\n");
    let mut demo = Running::start(program(&folder.0).args([
        "demo",
        "--json",
        "--port",
        "0",
        "--clerk-port",
        "0",
        "--auto-approve",
        "ada",
        // The printed tokens must have these scopes.
        "--required-scopes",
        "user:org:read",
    ]));
    let mut line = String::new();
    BufReader::new(demo.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let sheet: Value = serde_json::from_str(&line).unwrap();
    let text = |pointer: &str| {
        sheet
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} in {sheet}"))
    };

    let page = get(text("/page")).await.unwrap().text().await.unwrap();
    assert!(page.contains("Ada Lovelace") && page.contains(text("/users/0/token")));
    assert_eq!(sheet["users"].as_array().unwrap().len(), 3);
    assert_eq!(sheet["clients"].as_array().unwrap().len(), 4);
    assert_eq!(
        sheet["notes"],
        json!(["Every sign-in succeeds as ada, without a page (--auto-approve)."])
    );
    // Clients must register dynamically: client ID metadata documents need network access.
    let metadata = format!(
        "{}/.well-known/oauth-authorization-server",
        text("/clerk/frontendApiUrl")
    );
    let metadata: Value = get(metadata).await.unwrap().json().await.unwrap();
    assert!(metadata["registration_endpoint"].is_string());
    assert_eq!(metadata.get("client_id_metadata_document_supported"), None);

    let http = http();
    for (index, name) in ["Ada", "Grace", "Alan"].into_iter().enumerate() {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "get-user-info" } });
        let request = http
            .post(text("/mcpEndpoint"))
            .bearer_auth(text(&format!("/users/{index}/token")))
            .header("Accept", "application/json, text/event-stream")
            .json(&call);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            answer["result"]["structuredContent"]["firstName"], name,
            "{answer}"
        );
    }

    // The command to copy into a terminal.
    let curl = text("/curl");
    assert!(
        curl.starts_with(&format!(
            "curl -s {} -H 'Authorization: Bearer ",
            text("/mcpEndpoint")
        )),
        "{curl}"
    );
    assert_eq!(demo.terminate(), Some(0));
}

/// The page promises that nothing stays broken, and that `explain` shows what it says.
#[tokio::test]
async fn every_broken_request_of_the_demo_is_rejected_and_changes_nothing() {
    let folder = Folder::new("demo-broken");
    let arguments = ["demo", "--json", "--port", "0", "--clerk-port", "0"];
    let mut demo = Running::start(program(&folder.0).args(arguments));
    let mut line = String::new();
    BufReader::new(demo.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let sheet: Value = serde_json::from_str(&line).unwrap();
    let url = |pointer: &str| sheet.pointer(pointer).unwrap().as_str().unwrap();
    let page = get(url("/page")).await.unwrap().text().await.unwrap();
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();

    let http = http();
    let ada = url("/users/0/token");
    let call = async |token: &str, message: Value| {
        let request = http
            .post(url("/mcpEndpoint"))
            .bearer_auth(token)
            .header("Accept", "application/json, text/event-stream")
            .json(&message);
        request.send().await.unwrap()
    };
    let message = |method: &str, params: &Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let admin_tool = message(
        "tools/call",
        &json!({ "name": "organization-report", "arguments": {} }),
    );
    let state = async || -> Value {
        let url = format!("{}/admin/state", url("/clerk/frontendApiUrl"));
        get(url).await.unwrap().json().await.unwrap()
    };
    let before = state().await;

    // The longest code verifier (RFC 7636 §4.1), and one that is too long.
    for (length, status) in [(128, 200), (129, 413)] {
        let challenge = http.post(format!("{}demo/code-challenge", url("/page")));
        let request = challenge.bearer_auth(ada).body("a".repeat(length));
        assert_eq!(request.send().await.unwrap().status(), status);
    }

    let mut outcomes = Vec::new();
    for named in data["brokenRequests"].as_array().unwrap() {
        let mut broken = named.clone();
        if broken["token"] == "" {
            let outage = format!("{}demo/outage", url("/page"));
            let request = http.post(outage).bearer_auth(ada);
            broken = request.send().await.unwrap().json().await.unwrap();
        }
        let (method, params) = if broken["call"].is_null() {
            ("tools/list", json!({}))
        } else {
            ("tools/call", broken["call"].clone())
        };
        let token = broken["token"].as_str().unwrap();
        let answer = call(token, message(method, &params)).await;
        let failed = broken["checks"].as_array().unwrap().iter();
        let failed: Vec<_> = failed
            .filter(|check| check["outcome"] == "failed")
            .map(|check| check["name"].as_str().unwrap())
            .collect();
        let error = answer.status().as_u16();
        let retry = answer.headers().contains_key("retry-after");
        let answer: Value = answer.json().await.unwrap();
        outcomes.push(format!(
            "{}: {error} {}{}; {}; {failed:?}",
            broken["name"].as_str().unwrap(),
            answer["error"].as_str().unwrap(),
            if retry { ", retry later" } else { "" },
            broken["reason"].as_str().unwrap(),
        ));

        // The playground works as before, and so does the lookup of another opaque token.
        let answer: Value = call(ada, admin_tool.clone()).await.json().await.unwrap();
        assert_eq!(
            answer["result"]["structuredContent"]["role"], "org:admin",
            "{answer}"
        );
        let mint =
            json!({ "kind": "opaque_oauth_token", "scopes": ["profile"], "resource": url("/mcpEndpoint") });
        let request = http.post(format!("{}/admin/tokens", url("/clerk/frontendApiUrl")));
        let minted: Value = request.json(&mint).send().await.unwrap().json().await.unwrap();
        let opaque = minted["token"].as_str().unwrap();
        let answer = call(opaque, message("tools/list", &json!({}))).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    insta::assert_snapshot!(outcomes.join("\n"), @r#"
    Expired: 401 token_expired; token-expired; ["exp"]
    Wrong audience: 401 invalid_token; audience-mismatch; ["aud"]
    alg: none: 401 invalid_token; token-invalid; ["form"]
    Foreign key: 401 invalid_token; token-invalid-signature; ["signature"]
    Wrong issuer: 401 invalid_token; token-invalid-issuer; ["iss"]
    Keys rotated: 401 invalid_token; jwk-kid-mismatch; ["key"]
    Missing scope: 403 insufficient_scope; scope-missing; []
    Role removed: 403 forbidden; role-missing; []
    Clerk down: 503 temporarily_unavailable, retry later; clerk-unavailable; ["clerk"]
    "#);
    assert_eq!(state().await, before);
    assert_eq!(demo.terminate(), Some(0));
}

/// Newcomers must see everything without scrolling; tokens are long and not needed at first.
#[tokio::test]
async fn demo_fits_one_screen_and_prints_tokens_on_request() {
    let folder = Folder::new("demo-sheet");
    let sheet = |options: &[&str]| {
        let arguments = ["demo", "--port", "0", "--clerk-port", "0"];
        let mut demo = Running::start(program(&folder.0).args(arguments).args(options));
        let mut lines = Vec::new();
        for line in BufReader::new(demo.0.stdout.take().unwrap()).lines() {
            lines.push(line.unwrap());
            if lines.last().unwrap() == "Press Ctrl-C to stop." {
                break;
            }
        }
        assert_eq!(demo.terminate(), Some(0));
        lines
    };
    let short = sheet(&[]);
    assert!(short.len() <= 24, "{short:?}");
    assert!(short.iter().all(|line| line.len() <= 80), "{short:?}");
    let text = short.join("\n");
    assert!(
        text.contains("claude mcp add --transport http clerk http://127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("--tokens") && !text.contains("eyJ"), "{text}");

    let long = sheet(&["--tokens"]);
    let tokens = long.iter().filter(|line| line.starts_with("eyJ")).count();
    assert_eq!(tokens, 3, "{long:?}");
    assert!(
        long.iter()
            .any(|line| line.starts_with("curl -s http://127.0.0.1:")),
        "{long:?}"
    );
    assert!(long.iter().any(|line| line.contains("Cursor")), "{long:?}");
}

/// With `--network`, the page, the endpoint and the local Clerk must have the same address.
#[tokio::test]
async fn demo_for_the_network_publishes_one_address() {
    let folder = Folder::new("demo-network");
    let arguments = [
        "demo",
        "--json",
        "--network",
        "127.0.0.1",
        "--port",
        "0",
        "--clerk-port",
        "0",
        "--allowed-origins",
        "https://app.example.com",
    ];
    let mut demo = Running::start(program(&folder.0).args(arguments));
    let mut line = String::new();
    BufReader::new(demo.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let sheet: Value = serde_json::from_str(&line).unwrap();
    let url = |pointer: &str| sheet.pointer(pointer).unwrap().as_str().unwrap();
    for pointer in ["/page", "/mcpEndpoint", "/docs", "/clerk/frontendApiUrl"] {
        assert!(url(pointer).starts_with("http://127.0.0.1:"), "{sheet}");
    }
    let request = http()
        .post(url("/mcpEndpoint"))
        .bearer_auth(url("/users/0/token"))
        .header("Accept", "application/json, text/event-stream")
        .header("Origin", "https://app.example.com")
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "get-user-info" } }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        answer["result"]["structuredContent"]["firstName"], "Ada",
        "{answer}"
    );
    assert_eq!(demo.terminate(), Some(0));
}

/// rmcp logs every JSON-RPC error, with its text and without a limit. Clients choose the names of unknown tools,
/// so they could fill the log with any text.
#[tokio::test]
async fn default_log_contains_no_text_of_clients() {
    let folder = Folder::new("client-text");
    let clerk = LocalClerk::builder().start().await.unwrap();
    let mut command = program(&folder.0);
    command
        .envs(clerk.environment())
        .env("BASE_URL", "http://localhost:3001")
        .args(["--port", "0", "--log-format", "json"]);
    let mut server = Running::start(&mut command);
    let mut log = BufReader::new(server.0.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}/mcp", listening["address"].as_str().unwrap());
    let token = clerk.session_token("ada").unwrap().mint();
    let request = |method: &str, params: Value| {
        http()
            .post(&url)
            .header("Host", "localhost:3001")
            .bearer_auth(&token)
            .header("Accept", "application/json, text/event-stream")
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
            .send()
    };
    for (method, params) in [
        ("tools/call", json!({ "name": "chosen-by-the-client" })),
        ("prompts/get", json!({ "name": "chosen-by-the-client" })),
        ("chosen-by-the-client", json!({})),
    ] {
        let answer = request(method, params).await.unwrap().text().await.unwrap();
        assert!(answer.contains("\"error\""), "{answer}");
    }
    assert_eq!(server.terminate(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let lines: Vec<_> = rest.lines().filter(|line| line.contains("chosen-by")).collect();
    // The audit event has the name of the tool that was called.
    assert!(
        matches!(&*lines, [event] if event.contains("clerk_mcp::audit")),
        "{lines:#?}"
    );
}

/// If the process that reads the log has ended, the server must still answer requests.
#[tokio::test]
async fn server_keeps_running_when_stderr_is_closed() {
    let folder = Folder::new("closed-log");
    let mut command = program(&folder.0);
    command
        .envs(RIGHT)
        .env("CLERK_JWT_KEY", signing_key().public_key_pem())
        .args(["--port", "0", "--log-format", "json"]);
    let mut server = Running::start(&mut command);
    let mut log = BufReader::new(server.0.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    drop(log);
    let listening: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}/mcp", listening["address"].as_str().unwrap());
    let refused = http().post(url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(server.terminate(), Some(0));
}

#[tokio::test]
async fn server_reads_an_env_file_and_stops_on_sigterm() {
    let folder = Folder::new("serve");
    folder.write("key", "sk_test_from_a_file\n");
    folder.write(
        ".env",
        &format!(
            "CLERK_SECRET_KEY_FILE=key\nCLERK_DOMAIN=great-fox-12.clerk.accounts.dev\nBASE_URL=http://localhost:3001\n\
             CLERK_JWT_KEY=\"{}\"\nLOG_FORMAT=json\nSCOPES=profile,openid\nCLERK_AUDIENCE=off\n",
            signing_key().public_key_pem().trim().replace('\n', "\\n"),
        ),
    );
    let mut server = Running::start(program(&folder.0).args(["--port", "0", "--admin-addr", "127.0.0.1:0"]));
    let mut log = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&log.next().unwrap().unwrap()).unwrap() };
    let metrics = next();
    let listening = next();
    let warnings = [next()["message"].to_string(), next()["message"].to_string()];
    assert!(
        warnings[0].contains("CLERK_AUDIENCE=off") && warnings[1].contains("SCOPES contains openid"),
        "{warnings:?}"
    );
    assert_eq!(
        (&listening["message"], &listening["endpoint"]),
        (&json!("listening"), &json!("http://localhost:3001/mcp"))
    );
    let address = listening["address"].as_str().unwrap();
    let ready: Value = get(format!("http://{address}/readyz"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        ready["status"], "ready",
        "with CLERK_JWT_KEY the server is ready at once"
    );
    let admin = format!("http://{}", metrics["address"].as_str().unwrap());
    let get_from = async |path: &str, host: &str| {
        let request = http().get(format!("{admin}{path}")).header("Host", host);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // DNS rebinding: the name of an attacker has a dot.
    for (host, status) in [
        ("evil.test", 403),
        ("evil.test:9090", 403),
        ("a b", 400),
        ("clerk-mcp:9090", 200),
        ("localhost", 200),
        ("[::1]:9090", 200),
    ] {
        assert_eq!(get_from("/metrics", host).await.0, status, "{host}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get_from(path, "evil.test").await.0, 200, "{path}");
    }
    let (_, metrics) = get_from("/metrics", "10.0.0.7:9090").await;
    assert!(metrics.contains("clerk_mcp_tasks "), "{metrics}");
    assert!(
        metrics.contains("clerk_mcp_requests_total{method=\"GET\",route=\"/readyz\",status=\"200\"} 1"),
        "{metrics}"
    );
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(next()["message"], "shutting down: finishing requests in flight");
}
