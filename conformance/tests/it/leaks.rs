//! No report, error or terminal output contains a secret, or a control character that a target sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use local_clerk::LocalClerk;
use parking_lot::Mutex;
use poem::{
    Response,
    http::{StatusCode, header},
};
use tempfile::TempDir;

use crate::run::{ONLY_NO_TOKEN, file, program, program_with, serve};

const SECRET: &str = "sk_test_0123456789abcdefghijklmnop";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";

/// Returns arguments that write a report of each format to a file in `folder`.
fn every_report(folder: &TempDir) -> Vec<String> {
    ["terminal", "json", "junit", "sarif", "markdown", "html"]
        .iter()
        .flat_map(|format| {
            let path = folder.path().join(format);
            ["--report".to_owned(), format!("{format}={}", path.display())]
        })
        .collect()
}

/// Runs the program with reports of every format. Returns the exit code, and every text that left the
/// process, by name.
async fn all_output(
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> (Option<i32>, BTreeMap<String, String>) {
    let folder = TempDir::new().unwrap();
    let reports = every_report(&folder);
    let reports = reports.iter().map(String::as_str);
    let arguments: Vec<&str> = arguments.iter().copied().chain(reports).collect();
    let (code, stdout, stderr) = program_with(variables, &arguments).await;
    let mut texts = BTreeMap::from([("stdout".to_owned(), stdout), ("stderr".to_owned(), stderr)]);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        texts.insert(name, fs::read_to_string(entry.path()).unwrap());
    }
    (code, texts)
}

/// Asserts that no text contains a secret. Ignores whitespace, because reports wrap lines.
#[track_caller]
fn assert_without(texts: &BTreeMap<String, String>, secrets: &[&str]) {
    for (name, text) in texts {
        let joined: String = text.split_whitespace().collect();
        for secret in secrets {
            let secret: String = secret.split_whitespace().collect();
            assert!(!joined.contains(&secret), "{name} contains {secret}: {text}");
        }
    }
}

/// The target repeats each token in a header, in the challenge and in the body, together with the secret key.
#[tokio::test]
async fn minted_tokens_and_the_secret_key_are_redacted_in_every_report() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let secret = clerk.secret_key().to_owned();
    let (tokens, key) = (Arc::clone(&seen), secret.clone());
    let address = serve(move |request| {
        let token = request
            .header(header::AUTHORIZATION)
            .unwrap_or_default()
            .to_owned();
        let token = token.split(' ').next_back().unwrap_or_default().to_owned();
        tokens.lock().push(token.clone());
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header(header::WWW_AUTHENTICATE, format!("Bearer error=\"{token}\""))
            .header("x-token", &token)
            .body(format!("{{\"token\": \"{token}\", \"key\": \"{key}\"}}"))
    })
    .await;
    let url = format!("http://{address}/mcp");
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
    let (code, texts) = all_output(&[], &arguments).await;
    assert_eq!((code, texts.len()), (Some(1), 8), "{}", texts["stderr"]);
    assert!(texts["stdout"].contains("418"), "{}", texts["stdout"]);
    let seen = seen.lock().clone();
    let secrets: Vec<&str> = seen
        .iter()
        .flat_map(|token| token.split('.'))
        // The last is the made-up password of a case, which is no secret.
        .filter(|part| part.len() >= 16 && *part != "dXNlcjpwYXNzd29yZA==")
        .chain([secret.as_str()])
        .collect();
    assert!(secrets.len() > 50, "{}", secrets.len());
    assert_without(&texts, &secrets);
    clerk.stop().await;
}

/// The target is the local Clerk: it starts and answers, but not as an MCP server.
#[tokio::test]
async fn only_the_program_name_of_the_command_is_shown() {
    let suite = env!("CARGO_BIN_EXE_clerk-mcp-conformance");
    let command = format!(
        "MY_SECRET_KEY={SECRET} MODE='plain mode' {suite} clerk --port $PORT \
         # --api-key plain-key postgres://me:pa55word@db/x {TOKEN}"
    );
    let (code, texts) = all_output(
        &[],
        &[&["run", "--command", &command][..], &ONLY_NO_TOKEN].concat(),
    )
    .await;
    assert_eq!((code, texts.len()), (Some(1), 8), "{}", texts["stderr"]);
    let parts = [
        SECRET,
        TOKEN,
        "MY_SECRET_KEY",
        "plain-key",
        "plain mode",
        "pa55word",
        "$PORT",
        suite,
    ];
    assert_without(&texts, &parts);
    let report: serde_json::Value = serde_json::from_str(&texts["json"]).unwrap();
    assert_eq!(report["target"]["address"], "clerk-mcp-conformance");
    assert_eq!(
        report["cases"][0]["rerun"],
        "clerk-mcp-conformance run --profile generic --command 'clerk-mcp-conformance …' --only challenges.no-token"
    );
}

/// The command exits at once, and its last output contains secrets.
#[tokio::test]
async fn variables_of_command_profile_and_environment_are_redacted_in_errors() {
    let folder = TempDir::new().unwrap();
    let profile = file(
        &folder,
        "mine.toml",
        "name = \"mine\"\nabout = \"Mine.\"\naccepts = [\"oauth_token\"]\n\
         [environment]\nPORT = \"{port}\"\nHOOK_TOKEN = \"hook-number-1\"\n",
    );
    let command = "export DB_PASSWORD='correct horse' MODE=production; \
                   echo \"$HOOK_TOKEN and $DB_PASSWORD\" >&2; echo \"$AWS_SECRET_ACCESS_KEY in $MODE\"; exit 3";
    let (code, texts) = all_output(
        &[("AWS_SECRET_ACCESS_KEY", "plain-secret")],
        &[
            &["run", "--profile", &profile, "--command", command][..],
            &ONLY_NO_TOKEN,
        ]
        .concat(),
    )
    .await;
    assert_eq!((code, texts.len()), (Some(2), 2), "{texts:?}");
    assert_without(&texts, &["hook-number-1", "correct horse", "plain-secret"]);
    for part in [
        "it exited with code 3",
        "<HOOK_TOKEN> and <DB_PASSWORD>",
        "<AWS_SECRET_ACCESS_KEY> in production",
    ] {
        assert!(texts["stderr"].contains(part), "{part}\n{texts:?}");
    }
}

#[tokio::test]
async fn variables_are_redacted_in_reasons_of_the_baseline() {
    let folder = TempDir::new().unwrap();
    let baseline = file(
        &folder,
        "known.toml",
        "[[known]]\ncase = \"challenges.no-token\"\nreason = \"The key of-mine is old.\"\n",
    );
    let wrong = serve(|_| Response::builder().status(StatusCode::NOT_FOUND).finish()).await;
    let url = format!("http://{wrong}/mcp");
    let arguments = [
        &["run", "--url", &url, "--baseline", &baseline][..],
        &ONLY_NO_TOKEN,
    ]
    .concat();
    let (code, texts) = all_output(&[("SOME_KEY", "of-mine")], &arguments).await;
    assert_eq!((code, texts.len()), (Some(0), 8), "{texts:?}");
    assert_without(&texts, &["of-mine"]);
    assert!(
        texts["stdout"].contains("The key <SOME_KEY> is old."),
        "{texts:?}"
    );
}

/// The target has the same environment, and answers with its secrets in a URL, in JSON and in base64.
#[tokio::test]
async fn variables_are_redacted_in_every_encoding() {
    const PASSPHRASE: &str = "it's \"zebra\" & <umbrella>";
    let json = serde_json::json!({ "text": PASSPHRASE }).to_string();
    let base64 = BASE64_STANDARD.encode(format!("me:{PASSPHRASE}"));
    let query: String = url::form_urlencoded::byte_serialize(PASSPHRASE.as_bytes()).collect();
    let body = [PASSPHRASE, &json, &base64, &query, "(hunter2)"].join("\n");
    let address = serve(move |_| {
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .body(body.clone())
    })
    .await;
    let url = format!("http://{address}/mcp");
    let environment = [("MY_PASSPHRASE", PASSPHRASE), ("DB_PASS", "hunter2")];
    let (code, texts) = all_output(
        &environment,
        &[&["run", "--url", &url][..], &ONLY_NO_TOKEN].concat(),
    )
    .await;
    assert_eq!((code, texts.len()), (Some(1), 8), "{texts:?}");
    assert_without(&texts, &["zebra", &base64[8..base64.len() - 8], "hunter2"]);
    assert!(texts["stdout"].contains("<MY_PASSPHRASE>"), "{texts:?}");
}

/// The target repeats the token percent-encoded, in base64, in a cookie and in part.
#[tokio::test]
async fn supplied_token_is_redacted_in_every_encoding() {
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
    let (code, texts) = all_output(&[], &arguments).await;
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
async fn rejected_arguments_are_not_repeated() {
    let with_query = format!("http://127.0.0.1:9/mcp?access_token={TOKEN}");
    let as_kind = format!("{TOKEN}=file");
    let as_file = format!("session_token={TOKEN}");
    let url = "http://127.0.0.1:9/mcp";
    for (arguments, expected) in [
        (
            vec!["--url", "http://user:pa55word@127.0.0.1:9/mcp"],
            "--url has a user",
        ),
        (vec!["--url", &with_query], "--url has a user, query or fragment"),
        (vec!["--url", "http://127.0.0.1:9/mcp#pa55word"], "or fragment"),
        (
            vec!["--url", "//user:pa55word@host"],
            "--url is not an http or https URL",
        ),
        (
            vec!["--url", url, "--clerk", "http://a:pa55word@b"],
            "--clerk has a user",
        ),
        (vec!["--url", url, "--token", TOKEN], "expected KIND=FILE"),
        (
            vec!["--url", url, "--token", &as_kind],
            "unknown kind of token before =",
        ),
        (
            vec!["--url", url, "--token", &as_file],
            "cannot read the file after session_token=",
        ),
    ] {
        let (code, stdout, stderr) = program(&[&["run"][..], &arguments].concat()).await;
        assert_eq!(code, Some(2), "{stdout}{stderr}");
        assert!(stderr.contains(expected), "{expected}\n{stderr}");
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

/// A target that exits and one that never becomes ready. Escape sequences in their output are spelled out.
#[tokio::test]
async fn last_output_of_a_target_is_redacted() {
    let folder = TempDir::new().unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----";
    let printed = format!(
        "CLERK_SECRET_KEY={SECRET}\n{key}\npostgres://me:pa55word@db/x\n\u{1b}]0;owned\u{7}{TOKEN}\n"
    );
    let printed = file(&folder, "printed", &printed);
    for (end, expected) in [
        ("exit 3", "it exited with code 3"),
        ("sleep 60", "was not ready within 1 s"),
    ] {
        let command = format!("cat {printed} >&2; {end}");
        let (code, _, stderr) = program(&["run", "--command", &command, "--start-timeout", "1"]).await;
        assert_eq!(code, Some(2), "{stderr}");
        for part in [
            expected,
            "CLERK_SECRET_KEY=<secret>",
            "postgres://<secret>@db/x",
            "\\u{1b}]0;owned\\u{7}<secret>",
        ] {
            assert!(stderr.contains(part), "{part}\n{stderr}");
        }
        for part in [SECRET, TOKEN, "MIIE", "pa55word", "\u{1b}", "\u{7}"] {
            assert!(!stderr.contains(part), "{part}\n{stderr}");
        }
    }
}

/// Returns the files below `folder`, with their paths relative to `root` and their code without unit tests.
fn sources(root: &Path, folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(root, &path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        files.push((name, code));
    }
    files
}

/// Returns the files that contain one of the texts.
fn files_with<'a>(sources: &'a [(String, String)], texts: &[&str]) -> BTreeSet<&'a str> {
    let has_one = |code: &str| texts.iter().any(|text| code.contains(text));
    let found = sources.iter().filter(|(_, code)| has_one(code));
    found.map(|(name, _)| name.as_str()).collect()
}

/// Fails when a file is added that writes output. Redact what it writes, or say here why that is not needed.
#[test]
fn every_way_out_of_the_process_is_redacted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = sources(&root, &root);

    // Results and errors of a run: one function makes them, and redacts both.
    assert_eq!(files_with(&sources, &["Ok(Results {"]), ["runner/mod.rs"].into());
    assert_eq!(
        files_with(&sources, &["redact_results("]),
        ["cli/compare.rs", "redact/mod.rs", "runner/mod.rs"].into()
    );
    // Reports are rendered from results alone. `compare` reads them from files.
    assert_eq!(
        files_with(&sources, &[".render(results"]),
        ["cli/reports.rs"].into()
    );
    assert_eq!(
        files_with(
            &sources,
            &["serde_json::from_str::<Results>", "anyhow::Result<Results>"]
        ),
        ["cli/compare.rs"].into()
    );

    let streams = [
        "io::stdout",
        "io::stderr",
        "stdout()",
        "stderr()",
        "println!(",
        "print!(",
        "eprint!(",
        "dbg!(",
    ];
    assert_eq!(
        files_with(&sources, &streams),
        [
            // Credentials of a local Clerk, which the `clerk` command is asked for.
            "cli/clerk.rs",
            // Prints reports, and the answers of commands that do not start a target.
            "cli/mod.rs",
            // Ids of cases.
            "cli/progress.rs",
            // The addresses to open for `--login`: URLs without a code or token, in ASCII.
            "cli/run.rs",
            // Errors, each through `redact_text`, and the log.
            "main.rs",
        ]
        .into()
    );
    let (_, main) = sources.iter().find(|(name, _)| name == "main.rs").unwrap();
    assert_eq!(
        main.matches("writeln!(io::stderr()").count(),
        main.matches("redact_text(&").count()
    );

    assert_eq!(
        files_with(
            &sources,
            &["fs::write(", "File::create", "OpenOptions", "NamedTempFile::"]
        ),
        [
            // Public keys.
            "cli/mint.rs",
            "cli/reports.rs",
            // A certificate for the target.
            "runner/environment.rs",
        ]
        .into()
    );
}
