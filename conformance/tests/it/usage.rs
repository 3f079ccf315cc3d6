//! Errors in the command line, and options that a run must respect.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use local_clerk::{
    LocalClerk,
    mint::{Evidence, TokenKind, TokenSpec},
};
use poem::{IntoResponse as _, Response, http::StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{ONLY_NO_TOKEN, challenging, file, program, serve};

/// `{"alg":"none"}`, `{"sid":"a"}`.
const SESSION_TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzaWQiOiJhIn0.c2ln";
/// `{"typ":"at+jwt"}`, `{}`.
const OAUTH_TOKEN: &str = "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln";

#[tokio::test]
async fn conflicting_or_invalid_arguments_exit_with_2() {
    let folder = TempDir::new().unwrap();
    let token = format!("session_token={}", file(&folder, "token.txt", SESSION_TOKEN));
    let json = file(&folder, "own.json", "{}");
    let report = format!("json={}", folder.path().join("report").display());
    let same = format!(
        "junit={}/../{}/report",
        folder.path().display(),
        folder.path().file_name().unwrap().display()
    );
    let url = "http://127.0.0.1:9/mcp";
    for (arguments, expected) in [
        (
            vec!["--command", "true", "--token", &token],
            "cannot be used with",
        ),
        (vec!["--command", "true", "--clerk", url], "cannot be used with"),
        (vec!["--command", "true", "--issuer", url], "cannot be used with"),
        (
            vec!["--command", "true", "--ca-file", &json],
            "cannot be used with",
        ),
        (vec!["--url", url, "--intercept"], "cannot be used with"),
        (
            vec!["--url", url, "--token", &token, "--token", &token],
            "two tokens of the kind session_token",
        ),
        (
            vec!["--url", url, "--ca-file", &json],
            "contains no PEM certificate",
        ),
        (
            vec!["--url", url, "--report", &report, "--report", &same],
            "two reports cannot go to ",
        ),
        (
            vec!["--url", url, "--report", "json", "--report", "html"],
            "two reports cannot go to stdout",
        ),
        (
            vec!["--url", url, "--report", "html="],
            "the file name after = is missing",
        ),
    ] {
        let (code, stdout, stderr) = program(&[&["run"][..], &arguments].concat()).await;
        assert_eq!(code, Some(2), "{arguments:?}\n{stdout}{stderr}");
        assert!(stderr.contains(expected), "{arguments:?}\n{expected}\n{stderr}");
    }
}

#[tokio::test]
async fn unwritable_report_file_is_an_error_before_the_run() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let address = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        StatusCode::NOT_FOUND.into_response()
    })
    .await;
    let url = format!("http://{address}/mcp");
    let (code, _, stderr) = program(&["run", "--url", &url, "--report", "json=/nowhere/report.json"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot write /nowhere/report.json: "), "{stderr}");
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

/// Writing to `/dev/full` always fails.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn failed_report_does_not_prevent_other_reports() {
    let url = challenging().await;
    let folder = TempDir::new().unwrap();
    let html = folder.path().join("report.html");
    let report = format!("html={}", html.display());
    let arguments = [
        "run",
        "--url",
        &url,
        "--report",
        "json=/dev/full",
        "--report",
        &report,
    ];
    let (code, stdout, stderr) = program(&[&arguments[..], &ONLY_NO_TOKEN].concat()).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot write /dev/full: "), "{stderr}");
    assert!(stdout.contains("CLEAN 1 passed"), "{stdout}");
    assert!(fs::read_to_string(html).unwrap().contains("</html>"));
}

#[tokio::test]
async fn run_without_results_keeps_report_files_unchanged() {
    let folder = TempDir::new().unwrap();
    let old = file(&folder, "old.json", "old content");
    let new = folder.path().join("new.json");
    let (old_report, new_report) = (format!("json={old}"), format!("json={}", new.display()));
    let arguments = [
        "run",
        "--url",
        "http://127.0.0.1:9/mcp",
        "--report",
        &old_report,
        "--report",
        &new_report,
    ];
    let (code, _, stderr) = program(&arguments).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(fs::read_to_string(old).unwrap(), "old content");
    assert!(!new.exists());
}

/// Otherwise the command would not reproduce the failure.
#[tokio::test]
async fn rerun_command_contains_all_options() {
    let address = serve(|_| StatusCode::NOT_FOUND.into_response()).await;
    let url = format!("http://{address}/mcp");
    let folder = TempDir::new().unwrap();
    let cases = folder.path().join("cases");
    fs::create_dir(&cases).unwrap();
    let challenges = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/authorization/challenges.toml");
    fs::copy(challenges, cases.join("challenges.toml")).unwrap();
    let cases = cases.display().to_string();
    let options = ["--cases", &cases, "--timeout", "7", "--start-timeout", "8"];
    let (code, stdout, stderr) =
        program(&[&["run", "--url", &url][..], &options, &ONLY_NO_TOKEN].concat()).await;
    assert_eq!(code, Some(1), "{stderr}");
    let again = format!(
        "run --profile generic --url {url} {} --only challenges.no-token",
        options.join(" ")
    );
    assert!(stdout.contains(&again), "{stdout}");
}

/// The kind `any` means any ordinary token, here the supplied one.
#[tokio::test]
async fn supplied_token_is_used_for_kind_any() {
    let address = serve(|request| match request.header("authorization") {
        Some(header) if header == format!("Bearer {OAUTH_TOKEN}") => Response::builder()
            .content_type("application/json")
            .body(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    })
    .await;
    let folder = TempDir::new().unwrap();
    file(
        &folder,
        "cases/a.toml",
        r#"
        number = 1
        section = "a"
        title = "A"
        [[case]]
        id = "a.any"
        requirement = "The server accepts the token."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "Otherwise clients cannot use the server."
        token = { kind = "any" }
        expect = { is = "accepted" }
        [[case]]
        id = "a.people"
        requirement = "The server accepts the token."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "Otherwise clients cannot use the server."
        expect = { status = 401, body = { lacks = "{org.analytical-engines}" } }
        [[case]]
        id = "a.issuer"
        requirement = "The server accepts the token."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "Otherwise clients cannot use the server."
        expect = { status = 401, body = { lacks = "{issuer}" } }
        "#,
    );
    let cases = folder.path().join("cases").display().to_string();
    let url = format!("http://{address}/mcp");
    let token = format!("oauth_token={}", file(&folder, "token.txt", OAUTH_TOKEN));
    let (code, stdout, stderr) = program(&["run", "--url", &url, "--cases", &cases, "--token", &token]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed, 2 not applicable"), "{stdout}");
    for reason in ["the case needs the local Clerk\n", "tokens: give --issuer\n"] {
        assert!(stdout.contains(reason), "{stdout}");
    }
}

/// Results for a token of another kind would be wrong.
#[tokio::test]
async fn supplied_token_of_another_kind_is_rejected() {
    let folder = TempDir::new().unwrap();
    for (kind, token, expected) in [
        (
            "session_token",
            OAUTH_TOKEN,
            "the typ of its header is at+jwt. It looks like oauth_token",
        ),
        (
            "oauth_token",
            SESSION_TOKEN,
            "it has a sid. It looks like session_token",
        ),
        (
            "oauth_token",
            "oat_0123456789",
            "it begins with oat_. It looks like opaque_oauth_token",
        ),
        (
            "opaque_oauth_token",
            "ak_0123456789",
            "it begins with ak_. It looks like api_key",
        ),
        ("session_token", "opaque", "it is not a JWT"),
        ("any", SESSION_TOKEN, "It looks like session_token"),
    ] {
        let token = format!("{kind}={}", file(&folder, "token.txt", token));
        let (code, _, stderr) = program(&["run", "--url", "http://127.0.0.1:9/mcp", "--token", &token]).await;
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{expected}\n{stderr}");
    }
}

/// The check of supplied tokens must not reject a token of the right kind.
#[tokio::test]
async fn minted_tokens_are_recognized_as_their_kind() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    for kind in [
        TokenKind::SessionToken,
        TokenKind::PendingSessionToken,
        TokenKind::ImpersonationToken,
        TokenKind::TemplateToken,
        TokenKind::OauthToken,
        TokenKind::OpaqueOauthToken,
        TokenKind::IdToken,
        TokenKind::RefreshToken,
        TokenKind::M2mToken,
        TokenKind::OpaqueM2mToken,
        TokenKind::ApiKey,
    ] {
        let mut spec = TokenSpec::of(kind);
        spec.actor = (kind == TokenKind::ImpersonationToken).then(|| "Grace".to_owned());
        let token = clerk.mint(&spec).unwrap();
        let evidence = Evidence::of(&token);
        assert!(evidence.kinds.contains(&kind), "{kind:?} {evidence:?}");
    }
    clerk.stop().await;
}

/// Recipes from `explain` and from case files contain placeholders.
#[tokio::test]
async fn mint_rejects_placeholders_without_a_value() {
    for (recipe, expected) in [
        (
            r#"{"kind":"oauth_token","resource":"{mcp_url}"}"#,
            "the recipe contains {mcp_url}: give --url",
        ),
        (
            r#"{"kind":"oauth_token","claims":{"sub":"{ada}"}}"#,
            "the recipe contains {ada}: it has a value only during a run",
        ),
    ] {
        let (code, stdout, stderr) = program(&["mint", recipe]).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(expected), "{expected}\n{stderr}");
    }
    let recipe =
        r#"{"kind":"oauth_token","resource":"{mcp_url}","claims":{"azp":"{origin}","iss":"{issuer}"}}"#;
    let (code, token, stderr) = program(&["mint", recipe, "--url", "http://127.0.0.1:3001/mcp"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"][0], "http://127.0.0.1:3001/mcp");
    assert_eq!(claims["azp"], "http://127.0.0.1:3001");
    assert!(
        claims["iss"].as_str().unwrap().starts_with("http://127.0.0.1:"),
        "{claims}"
    );
}
