//! What is wrong with a command line is said before the run, and nothing that was asked for is passed over.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use poem::{IntoResponse as _, Response, http::StatusCode};
use tempfile::TempDir;

use crate::run::{ONE, challenging, file, program, serve};

#[tokio::test]
async fn no_flag_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let token = format!("session_token={}", file(&folder, "token.txt", "token"));
    let json = file(&folder, "own.json", "{}");
    let report = format!("json={}", folder.path().join("report").display());
    let same = format!(
        "junit={}/../{}/report",
        folder.path().display(),
        folder.path().file_name().unwrap().display()
    );
    let url = "http://127.0.0.1:9/mcp";
    for (arguments, said) in [
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
            "there are two of the kind session_token",
        ),
        (
            vec!["--url", url, "--ca-file", &json],
            "there is no certificate (PEM)",
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
            "the name of the file is missing",
        ),
    ] {
        let (code, stdout, stderr) = program(&[&["run"][..], &arguments].concat()).await;
        assert_eq!(code, Some(2), "{arguments:?}\n{stdout}{stderr}");
        assert!(stderr.contains(said), "{arguments:?}\n{said}\n{stderr}");
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_noticed_before_the_run() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let address = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        StatusCode::NOT_FOUND.into_response()
    })
    .await;
    let url = format!("http://{address}/mcp");
    let (code, _, stderr) = program(&["run", "--url", &url, "--report", "json=/nowhere/report.json"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot write /nowhere/report.json: "), "{stderr}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// The device is always full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_report_that_fails_leaves_the_others() {
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
    let (code, stdout, stderr) = program(&[&arguments[..], &ONE].concat()).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot write /dev/full: "), "{stderr}");
    assert!(stdout.contains("CLEAN 1 passed"), "{stdout}");
    assert!(fs::read_to_string(html).unwrap().contains("</html>"));
}

#[tokio::test]
async fn a_run_without_results_leaves_files_as_they_were() {
    let folder = TempDir::new().unwrap();
    let old = file(&folder, "old.json", "what was there");
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
    assert_eq!(fs::read_to_string(old).unwrap(), "what was there");
    assert!(!new.exists());
}

/// What it is run again with is what it was run with.
#[tokio::test]
async fn the_line_that_runs_a_case_again_is_whole() {
    let address = serve(|_| StatusCode::NOT_FOUND.into_response()).await;
    let url = format!("http://{address}/mcp");
    let folder = TempDir::new().unwrap();
    let cases = folder.path().join("cases");
    fs::create_dir(&cases).unwrap();
    let challenges = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/server/challenges.toml");
    fs::copy(challenges, cases.join("challenges.toml")).unwrap();
    let cases = cases.display().to_string();
    let options = ["--cases", &cases, "--timeout", "7", "--start-timeout", "8"];
    let (code, stdout, stderr) = program(&[&["run", "--url", &url][..], &options, &ONE].concat()).await;
    assert_eq!(code, Some(1), "{stderr}");
    let again = format!(
        "run --profile generic --url {url} {} --only challenges.no-token",
        options.join(" ")
    );
    assert!(stdout.contains(&again), "{stdout}");
}

/// A token of one kind is what any ordinary token is, then.
#[tokio::test]
async fn a_supplied_token_is_used_wherever_any_will_do() {
    let address = serve(|request| match request.header("authorization") {
        Some("Bearer supplied") => Response::builder()
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
        requirement = "It is taken."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "It must be."
        token = { kind = "any" }
        expect = { is = "accepted" }
        [[case]]
        id = "a.people"
        requirement = "It is taken."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "It must be."
        expect = { status = 401, body = { lacks = "{org.analytical-engines}" } }
        [[case]]
        id = "a.issuer"
        requirement = "It is taken."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "It must be."
        expect = { status = 401, body = { lacks = "{issuer}" } }
        "#,
    );
    let cases = folder.path().join("cases").display().to_string();
    let url = format!("http://{address}/mcp");
    let token = format!("oauth_token={}", file(&folder, "token.txt", "supplied"));
    let (code, stdout, stderr) = program(&["run", "--url", &url, "--cases", &cases, "--token", &token]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed, 2 not applicable"), "{stdout}");
    for reason in ["it needs the local Clerk\n", "tokens: give --issuer\n"] {
        assert!(stdout.contains(reason), "{stdout}");
    }
}
