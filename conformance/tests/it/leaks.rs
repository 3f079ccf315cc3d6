//! What never gets into a report or onto a terminal: tokens, secrets, and what a target sends to act on either.

use std::{fs, sync::Arc};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use local_clerk::LocalClerk;
use parking_lot::Mutex;
use poem::{
    Response,
    http::{StatusCode, header},
};
use tempfile::TempDir;

use crate::run::{ONE, file, program, program_with, serve};

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

/// Everything that a run says, in files and otherwise, with its exit code.
async fn everything_said(
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> (Option<i32>, Vec<(String, String)>) {
    let folder = TempDir::new().unwrap();
    let reports = every_report(&folder);
    let arguments: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(reports.iter().map(String::as_str))
        .collect();
    let (code, stdout, stderr) = program_with(variables, &arguments).await;
    let mut texts = texts_in(&folder);
    texts.extend([("stdout".to_owned(), stdout), ("stderr".to_owned(), stderr)]);
    (code, texts)
}

#[track_caller]
fn assert_without(texts: &[(String, String)], secrets: &[&str]) {
    for (name, text) in texts {
        // Wrapped lines must not be what hides them.
        let joined: String = text.split_whitespace().collect();
        for secret in secrets {
            let secret: String = secret.split_whitespace().collect();
            assert!(!joined.contains(&secret), "{name} has {secret} in it: {text}");
        }
    }
}

const RANDOM: &str = "Zq8Lk2Vn5Xw9Tb3Rm7Yc1Hd4";

/// The command, the profile and the baseline as people write them.
#[tokio::test]
async fn what_a_command_and_a_profile_have_is_known_wherever_it_stands() {
    let folder = TempDir::new().unwrap();
    let profile = file(
        &folder,
        "mine.toml",
        "name = \"mine\"\nabout = \"Mine.\"\naccepts = [\"oauth_token\"]\n\
         [environment]\nPORT = \"{port}\"\nHOOK = \"https://hooks.example.com/T0/aB3dE5fG7hJ9kL2mN4pQ6\"\n",
    );
    let baseline = file(
        &folder,
        "known.toml",
        &format!(
            "[[known]]\ncase = \"challenges.no-token\"\nreason = \"It has {RANDOM}, and SOME_KEY=of-mine.\"\n"
        ),
    );
    let suite = env!("CARGO_BIN_EXE_clerk-mcp-conformance");
    let secrets = [
        RANDOM,
        "9f86d081884c7d65",
        "correct horse",
        "aB3dE5fG7hJ9kL2mN4pQ6",
        "of-mine",
        "pa55word",
    ];
    let settings = format!(
        "NODE_ENV=production STRIPE={RANDOM} \"DB_PASSWORD=correct horse\" LOG='http://127.0.0.1:80/log'"
    );
    let command =
        format!("env {settings} {suite} clerk --port $PORT # --conn 9f86d081884c7d65 -u me:pa55word");
    let arguments = [
        "run",
        "--profile",
        &profile,
        "--command",
        &command,
        "--baseline",
        &baseline,
    ];
    let (code, texts) = everything_said(&[], &[&arguments[..], &ONE].concat()).await;
    assert_eq!((code, texts.len()), (Some(0), 8), "{texts:?}");
    assert_without(&texts, &secrets);
    let (_, stdout) = texts.iter().find(|(name, _)| name == "stdout").unwrap();
    let joined: String = stdout.split_whitespace().collect();
    for readable in [
        "NODE_ENV=production",
        "LOG='http://127.0.0.1:80/log'",
        "STRIPE=<secret>",
    ] {
        assert!(joined.contains(readable), "{readable}\n{stdout}");
    }

    // What it says itself.
    let command = format!(
        "export {settings}; echo \"$HOOK and $STRIPE\" >&2; echo \"  $DB_PASSWORD\"; \
         printf %s \"$DB_PASSWORD\" | od -An -c >/dev/null; exit 3"
    );
    let arguments = ["run", "--profile", &profile, "--command", &command];
    let (code, texts) = everything_said(&[], &[&arguments[..], &ONE].concat()).await;
    assert_eq!((code, texts.len()), (Some(2), 2), "{texts:?}");
    assert!(texts[1].1.contains("it ended with exit code 3"), "{texts:?}");
    assert_without(&texts, &secrets);
}

/// As a target writes it that has the same environment: in a URL, in JSON in JSON, in a page, in base64.
#[tokio::test]
async fn what_the_environment_has_is_known_however_it_is_written() {
    const PASSPHRASE: &str = "it's \"zebra\" & <umbrella>";
    const LINES: &str = "first line of it\nsecond line of it";
    let json = serde_json::json!({ "said": PASSPHRASE }).to_string();
    let twice = serde_json::json!({ "text": json }).to_string();
    let base64 = BASE64_STANDARD.encode(format!("me:{PASSPHRASE}"));
    let query: String = url::form_urlencoded::byte_serialize(PASSPHRASE.as_bytes()).collect();
    let page = "it&#x27;s &quot;zebra&quot; &amp; &lt;umbrella&gt;";
    let written = [
        PASSPHRASE,
        &json,
        &twice,
        &base64,
        &query,
        page,
        "    second line of it",
        "(hunter2)",
    ];
    let body = written.join("\n");
    let address = serve(move |_| {
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .body(body.clone())
    })
    .await;
    let url = format!("http://{address}/s/{RANDOM}/mcp");
    let arguments = ["run", "--url", &url];
    let environment = [
        ("MY_PASSPHRASE", PASSPHRASE),
        ("SOME_CREDENTIALS", LINES),
        ("DB_PASS", "hunter2"),
    ];
    let (code, texts) = everything_said(&environment, &[&arguments[..], &ONE].concat()).await;
    assert_eq!((code, texts.len()), (Some(1), 8), "{texts:?}");
    assert_without(
        &texts,
        &[
            "zebra",
            &base64[8..base64.len() - 8],
            "second line of it",
            "hunter2",
            RANDOM,
        ],
    );
}

/// A token of somebody, which is worth something, at a target that gives it back in all ways, and in part.
#[tokio::test]
async fn a_supplied_token_is_known_however_it_is_written() {
    const SUPPLIED: &str = "oat_Zebra-Umbrella_Lion.0123456789+abcdef";
    let address = serve(|request| {
        let token = request.header(header::AUTHORIZATION).unwrap_or_default();
        let token = token.split(' ').next_back().unwrap_or_default();
        let query: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let half = &token[..token.len() / 2];
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header("set-cookie", format!("token={token}; Path=/"))
            .body(format!(
                "{query} {half}. {}",
                BASE64_STANDARD.encode(format!("Bearer {token}"))
            ))
    })
    .await;
    let folder = TempDir::new().unwrap();
    let token = format!("opaque_oauth_token={}", file(&folder, "token.txt", SUPPLIED));
    let profile = file(
        &folder,
        "mine.toml",
        "name = \"mine\"\nabout = \"Mine.\"\naccepts = [\"opaque_oauth_token\"]\n",
    );
    let url = format!("http://{address}/mcp");
    let arguments = [
        "run",
        "--url",
        &url,
        "--profile",
        &profile,
        "--token",
        &token,
        "--only",
        "bearer",
    ];
    let (code, texts) = everything_said(&[], &arguments).await;
    assert_eq!((code, texts.len()), (Some(1), 8), "{texts:?}");
    assert_without(
        &texts,
        &[
            "Zebra-Umbrella",
            "ebra-Umb",
            "YnJhLVVtYnJlbGxh",
            "JhLVVtYnJlbGxhX0xpb",
        ],
    );
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
        (
            vec!["--url", url, "--token", &as_file],
            "the file after session_token= cannot be read",
        ),
    ] {
        let (code, stdout, stderr) = program(&[&["run"][..], &arguments].concat()).await;
        assert_eq!(code, Some(2), "{stdout}{stderr}");
        assert!(stderr.contains(said), "{said}\n{stderr}");
        for secret in ["pa55word", "eyJ"] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
    }
    let folder = TempDir::new().unwrap();
    let broken = file(
        &folder,
        "broken.toml",
        "[environment]\nDB_PASSWORD = \"pa55 word\n",
    );
    for arguments in [
        &["run", "--url", url, "--issuer", "https://a?key=pa55word"][..],
        &["run", "--url", url, "--token", "session_token=pa55word"],
        &["run", "--url", url, "--profile", &broken],
        &["run", "sk_live_pa55word-pa55word"],
        &[
            "mint",
            "session_token",
            "--clerk",
            "http://127.0.0.1:9/?key=pa55word",
        ],
    ] {
        let (code, stdout, stderr) = program(arguments).await;
        assert_eq!(code, Some(2), "{stdout}{stderr}");
        assert!(!stderr.contains("pa55"), "{stderr}");
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
