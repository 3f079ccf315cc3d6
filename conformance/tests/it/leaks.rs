//! What never gets into a report or onto a terminal: tokens, secrets, and what a target sends to act on either.

use std::{fs, sync::Arc};

use clerk_mcp_conformance::clerk::LocalClerk;
use parking_lot::Mutex;
use poem::{
    Response,
    http::{StatusCode, header},
};
use tempfile::TempDir;

use crate::run::{ONE, file, program, serve};

/// A report of every format, each in a file of the folder.
fn every_report(folder: &TempDir) -> Vec<String> {
    ["terminal", "json", "junit", "sarif", "markdown", "html"]
        .iter()
        .flat_map(|format| {
            let path = folder.path().join(format);
            ["--report".to_owned(), format!("{format}={}", path.display())]
        })
        .collect()
}

/// The reports in the folder, by their names.
fn texts_in(folder: &TempDir) -> Vec<(String, String)> {
    fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// A target that says everything it was told, in every place there is.
#[tokio::test]
async fn no_token_and_no_secret_gets_into_a_report() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let secret = clerk.secret_key().to_owned();
    let (heard, said) = (Arc::clone(&seen), secret.clone());
    let address = serve(move |request| {
        let token = request
            .header(header::AUTHORIZATION)
            .unwrap_or_default()
            .to_owned();
        let token = token.split(' ').next_back().unwrap_or_default().to_owned();
        heard.lock().push(token.clone());
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header(header::WWW_AUTHENTICATE, format!("Bearer error=\"{token}\""))
            .header("x-token", &token)
            .body(format!("{{\"token\": \"{token}\", \"key\": \"{said}\"}}"))
    })
    .await;
    let folder = TempDir::new().unwrap();
    let url = format!("http://{address}/mcp");
    let reports = every_report(&folder);
    let mut arguments = vec!["run", "--url", &url, "--clerk", clerk.origin()];
    for section in [
        "bearer",
        "signature",
        "claims",
        "session",
        "oauth",
        "machine",
        "challenges",
    ] {
        arguments.extend(["--only", section]);
    }
    arguments.extend(reports.iter().map(String::as_str));
    let (code, stdout, stderr) = program(&arguments).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("418"), "the answers are in the report: {stdout}");

    let mut texts = texts_in(&folder);
    texts.extend([("stdout".to_owned(), stdout), ("stderr".to_owned(), stderr)]);
    assert_eq!(texts.len(), 8);
    let seen = seen.lock().clone();
    let secrets: Vec<&str> = seen
        .iter()
        .flat_map(|token| token.split('.'))
        .filter(|part| part.len() >= 16)
        .chain([secret.as_str()])
        .collect();
    assert!(secrets.len() > 50, "{}", secrets.len());
    for (name, text) in &texts {
        // Wrapped lines and escapes must not be what hides them.
        let joined: String = text.chars().filter(|one| !one.is_whitespace()).collect();
        for secret in &secrets {
            assert!(!joined.contains(secret), "{name} has a token or secret in it");
        }
    }
    clerk.stop().await;
}

const SECRET: &str = "sk_test_0123456789abcdefghijklmnop";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";

/// The local Clerk passes for a target here: it answers, if not as it should.
#[tokio::test]
async fn no_secret_of_the_command_gets_into_a_report() {
    let folder = TempDir::new().unwrap();
    let suite = env!("CARGO_BIN_EXE_clerk-mcp-conformance");
    let command = format!(
        "CLERK_SECRET_KEY={SECRET} DB_PASSWORD='pass word' API_TOKEN=plain-token {suite} clerk --port $PORT \
         # --api-key plain-key postgres://me:pa55word@db/x {TOKEN}"
    );
    let mut arguments = vec!["run", "--command", &command];
    let reports = every_report(&folder);
    arguments.extend(reports.iter().map(String::as_str));
    arguments.extend(ONE);
    let (code, stdout, stderr) = program(&arguments).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("CLERK_SECRET_KEY=<secret>"), "{stdout}");
    let mut texts = texts_in(&folder);
    texts.extend([("stdout".to_owned(), stdout), ("stderr".to_owned(), stderr)]);
    assert_eq!(texts.len(), 8);
    for (name, text) in &texts {
        let joined: String = text.chars().filter(|one| !one.is_whitespace()).collect();
        for secret in [SECRET, TOKEN, "password", "pa55word", "plain-token", "plain-key"] {
            assert!(!joined.contains(secret), "{name} has {secret} in it: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_not_repeated() {
    let with_query = format!("http://127.0.0.1:9/mcp?access_token={TOKEN}");
    let as_kind = format!("{TOKEN}=file");
    let as_file = format!("session_token={TOKEN}");
    let url = "http://127.0.0.1:9/mcp";
    for (arguments, said) in [
        (
            vec!["--url", "http://user:pa55word@127.0.0.1:9/mcp"],
            "--url has a user",
        ),
        (vec!["--url", &with_query], "--url has a user, query or fragment"),
        (vec!["--url", "http://127.0.0.1:9/mcp#pa55word"], "or fragment"),
        (
            vec!["--url", "//user:pa55word@host"],
            "--url is no http or https URL",
        ),
        (
            vec!["--url", url, "--clerk", "http://a:pa55word@b"],
            "--clerk has a user",
        ),
        (vec!["--url", url, "--token", TOKEN], "write KIND=FILE"),
        (
            vec!["--url", url, "--token", &as_kind],
            "there is no such kind of token",
        ),
        (vec!["--url", url, "--token", &as_file], "cannot read <secret>"),
    ] {
        let (code, stdout, stderr) = program(&[&["run"][..], &arguments].concat()).await;
        assert_eq!(code, Some(2), "{stdout}{stderr}");
        assert!(stderr.contains(said), "{said}\n{stderr}");
        for secret in ["pa55word", "eyJ"] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
    }
}

#[tokio::test]
async fn what_a_target_printed_last_is_cleaned() {
    let folder = TempDir::new().unwrap();
    let printed = format!(
        "CLERK_SECRET_KEY={SECRET}\nAWS_SECRET_ACCESS_KEY=plain-secret\n\u{1b}]0;owned\u{7}{TOKEN}\n"
    );
    let printed = file(&folder, "printed", &printed);
    for (end, said) in [
        ("exit 3", "it ended with exit code 3"),
        ("sleep 60", "was not ready within 1 s"),
    ] {
        let command = format!("cat {printed} >&2; {end}");
        let (code, _, stderr) = program(&["run", "--command", &command, "--start-timeout", "1"]).await;
        assert_eq!(code, Some(2), "{stderr}");
        for part in [said, "CLERK_SECRET_KEY=<secret>", "\\u{1b}]0;owned\\u{7}<secret>"] {
            assert!(stderr.contains(part), "{part}\n{stderr}");
        }
        for part in [SECRET, TOKEN, "plain-secret", "\u{1b}", "\u{7}"] {
            assert!(!stderr.contains(part), "{part}\n{stderr}");
        }
    }
}
