//! The command `run`: exit codes, errors and signals.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    thread,
    time::Duration,
};

use local_clerk::LocalClerk;
use poem::{
    IntoResponse as _, Request, Response, Server,
    endpoint::make_sync,
    http::{StatusCode, header},
    listener::{Acceptor as _, Listener as _, TcpListener},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

/// Creates a command whose only variable of the environment is `PATH`, so that colors, a log filter or a
/// proxy do not change what it prints.
pub(crate) fn clean_command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::vars_os().filter(|(name, _)| name == "PATH");
    command.env_clear().envs(path);
    command
}

/// Lets children start with the default action of each signal that this process ignores, for example because
/// `nohup` started it: a signal with a handler has its default action in a child.
fn default_signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    for kind in [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()] {
        if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
            drop(signal(kind).unwrap());
        }
    }
}

/// Runs the program. Returns its exit code, stdout and stderr.
pub(crate) async fn program(arguments: &[&str]) -> (Option<i32>, String, String) {
    program_with(&[], arguments).await
}

/// Runs the program with these environment variables. Returns its exit code, stdout and stderr.
pub(crate) async fn program_with(
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = clean_command(env!("CARGO_BIN_EXE_clerk-mcp-conformance"))
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Starts a server on loopback that runs until the test ends.
pub(crate) async fn serve(answer: impl Fn(Request) -> Response + Send + Sync + 'static) -> SocketAddr {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(make_sync(answer)));
    address
}

/// Starts a server that answers every request with a correct challenge. Returns the URL of its MCP endpoint.
pub(crate) async fn challenging() -> String {
    let address = serve(|_| {
        let challenge =
            r#"Bearer resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource/mcp""#;
        Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, challenge)
            .finish()
    })
    .await;
    format!("http://{address}/mcp")
}

/// Writes a file and returns its path.
pub(crate) fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Arguments that select one case, which needs no token.
pub(crate) const ONLY_NO_TOKEN: [&str; 2] = ["--only", "challenges.no-token"];

#[tokio::test]
async fn exits_with_0_if_clean_and_1_after_findings() {
    let url = challenging().await;
    let (code, stdout, _) = program(&[&["run", "--url", &url][..], &ONLY_NO_TOKEN].concat()).await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("CLEAN 1 passed"), "{stdout}");

    let wrong = serve(|_| StatusCode::NOT_FOUND.into_response()).await;
    let url = format!("http://{wrong}/mcp");
    let (code, stdout, _) = program(&[&["run", "--url", &url][..], &ONLY_NO_TOKEN].concat()).await;
    assert_eq!(code, Some(1), "{stdout}");
    for part in [
        "FAIL challenges.no-token",
        "Expected",
        "Actual     404",
        &format!("run --profile generic --url {url} --only challenges.no-token"),
    ] {
        assert!(stdout.contains(part), "{part}\n{stdout}");
    }
}

#[tokio::test]
async fn cases_out_of_reach_are_not_applicable() {
    let url = challenging().await;
    let arguments = ["run", "--url", &url, "--only", "claims.expired"];
    let (code, stdout, stderr) = program(&arguments).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no case was tested"), "{stderr}");
    assert!(stdout.contains("NOTHING TRIED 1 not applicable"), "{stdout}");
    assert!(stdout.contains("1 not applicable"), "{stdout}");
    assert!(stdout.contains("the case needs the local Clerk"), "{stdout}");
    assert!(!stdout.contains("passed"), "{stdout}");
    // It is not an error if another case could be tested.
    let (code, stdout, _) = program(&[&arguments[..], &ONLY_NO_TOKEN].concat()).await;
    assert_eq!(code, Some(0), "{stdout}");
}

#[tokio::test]
async fn errors_exit_with_2() {
    let url = challenging().await;
    let folder = TempDir::new().unwrap();
    let broken = file(
        &folder,
        "cases/broken.toml",
        "number = 1\nsection = \"a\"\ntitle = A\n",
    );
    let cases = Path::new(&broken).parent().unwrap().display().to_string();
    let profile = file(
        &folder,
        "mine.toml",
        "name = \"mine\"\nabout = \"Mine.\"\naccepts = [\"tickets\"]\n",
    );
    let accepts_nothing = file(
        &folder,
        "nothing.toml",
        "name = \"mine\"\nabout = \"Mine.\"\naccepts = []\n",
    );
    let no_token = format!("session_token={}", file(&folder, "token.txt", "\n"));
    let url = url.as_str();
    for (arguments, expected) in [
        // Nothing listens on the discard port.
        (
            vec!["run", "--url", "http://127.0.0.1:9/mcp"],
            "does not answer: cannot connect to 127.0.0.1:9",
        ),
        (
            vec!["run", "--command", "echo the last words >&2; exit 3"],
            "the target did not start: it exited with code 3; its last output:\nthe last words",
        ),
        (
            vec!["run", "--command", "sleep 60", "--start-timeout", "1"],
            "the target was not ready within 1 s",
        ),
        (
            vec![
                "run",
                "--command",
                "printf 'no line end'; sleep 60",
                "--start-timeout",
                "1",
            ],
            "its last output:\nno line end",
        ),
        (
            vec!["run", "--command", "head -c 9000 /dev/zero | tr '\\0' x; exit 3"],
            "xxx… (4904 more bytes)",
        ),
        (
            vec!["run", "--url", url, "--only", "claims.expierd"],
            "\"claims.expierd\" matches no case",
        ),
        (
            vec!["run", "--url", url, "--only", "claims.exp"],
            "write 'claims.exp*' to select every id with this prefix",
        ),
        (
            vec!["run", "--url", url, "--skip", "nothing"],
            "\"nothing\" matches no case",
        ),
        (
            vec!["run", "--url", url, "--only", "claims", "--skip", "claims"],
            "no case is selected",
        ),
        (vec!["run", "--url", url, "--cases", &cases], "broken.toml:3: "),
        (
            vec!["run", "--url", url, "--cases", "/nowhere"],
            "error: cannot read /nowhere: No such file or directory (os error 2)\n",
        ),
        (
            vec!["run", "--url", url, "--profile", "unknown"],
            "unknown profile \"unknown\": use ",
        ),
        (
            vec!["run", "--url", url, "--profile", &profile],
            "unknown variant `tickets`",
        ),
        (
            vec!["run", "--url", url, "--profile", &accepts_nothing],
            "accepts is empty",
        ),
        (
            vec!["run", "--url", url, "--baseline", "/nowhere.toml"],
            "/nowhere.toml: cannot read the file",
        ),
        (
            vec!["run", "--url", url, "--report", "pdf"],
            "unknown format \"pdf\"",
        ),
        (vec!["run", "--url", url, "--token", "session_token"], "KIND=FILE"),
        (
            vec!["run", "--url", url, "--token", &no_token],
            "is empty: expected a token",
        ),
        (vec!["run"], "--command"),
        (
            vec!["explain", "claims.expierd"],
            "error: unknown case \"claims.expierd\": did you mean claims.expired?\n",
        ),
        (
            vec!["explain", "zebra"],
            "error: unknown case \"zebra\": `list` prints all cases\n",
        ),
        (
            vec!["list", "zebra"],
            "error: \"zebra\" matches no case: `list` shows all ids\n",
        ),
        (
            vec!["run", "--url", url, "--only", "keys.new-kye"],
            "error: \"keys.new-kye\" matches no case: did you mean keys.new-key?\n",
        ),
        (
            vec!["run", "--url", url, "--only", "clams"],
            "error: \"clams\" matches no case: did you mean claims?\n",
        ),
        (
            vec!["run", "--url", url, "--profile", "generik"],
            "error: unknown profile \"generik\": did you mean generic? Otherwise use clerk-mcp, fastmcp, generic, \
             mcp-tools, oauth, xmcp, or a file such as ./generik.toml\n",
        ),
        (
            vec!["mint", "password"],
            "invalid recipe: unknown variant `password`",
        ),
        (vec!["mint", "session_tokens"], "; did you mean session_token?\n"),
        (
            vec!["mint", "kind = \"session_token\", claim = {}"],
            "; did you mean claims?\n",
        ),
        (
            vec!["mint", "session_token", "--clerk", "http://127.0.0.1:9"],
            "no local Clerk is reachable at ",
        ),
        (
            vec!["compare", "/nowhere.json", "/nowhere.json"],
            "cannot read /nowhere.json",
        ),
        (vec!["compare", &broken, &broken], "is not a JSON report"),
    ] {
        let (code, stdout, stderr) = program(&arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}\n{stdout}{stderr}");
        assert!(stderr.contains(expected), "{arguments:?}\n{expected}\n{stderr}");
    }
}

#[tokio::test]
async fn stale_baseline_entry_fails_the_run() {
    let url = challenging().await;
    let folder = TempDir::new().unwrap();
    for (case, expected) in [
        ("challenges.no-token", "passes now"),
        ("challenges.no-tokens", "names no case"),
    ] {
        let baseline = file(
            &folder,
            "known.toml",
            &format!("[[known]]\ncase = \"{case}\"\nreason = \"Soon.\"\n"),
        );
        let (code, stdout, _) = program(
            &[
                &["run", "--url", &url, "--baseline", &baseline][..],
                &ONLY_NO_TOKEN,
            ]
            .concat(),
        )
        .await;
        assert_eq!(code, Some(1), "{stdout}");
        assert!(stdout.contains(expected) && stdout.contains(case), "{stdout}");
    }
    let wrong = serve(|_| StatusCode::NOT_FOUND.into_response()).await;
    let baseline = file(
        &folder,
        "known.toml",
        "[[known]]\ncase = \"challenges.no-token\"\nreason = \"The gateway is in the way.\"\n",
    );
    let url = format!("http://{wrong}/mcp");
    let (code, stdout, _) = program(
        &[
            &["run", "--url", &url, "--baseline", &baseline][..],
            &ONLY_NO_TOKEN,
        ]
        .concat(),
    )
    .await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("The gateway is in the way."), "{stdout}");
}

#[tokio::test]
async fn report_begins_with_a_warning_if_no_token_was_accepted() {
    let url = challenging().await;
    let clerk = LocalClerk::builder().start().await.unwrap();
    let arguments = [
        "run",
        "--url",
        &url,
        "--clerk",
        clerk.origin(),
        "--only",
        "claims",
    ];
    let (code, stdout, stderr) = program(&arguments).await;
    assert_eq!(code, Some(1), "{stderr}");
    let (head, _) = stdout.split_once("Not testable,").unwrap();
    assert!(
        head.contains("The target rejected a valid token and accepted none"),
        "{stdout}"
    );
    clerk.stop().await;
}

/// Returns the lines written to a named pipe until no writer has it open. Uses a thread, because opening the
/// pipe blocks until a writer opens it.
fn lines_of(pipe: PathBuf) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    thread::spawn(move || {
        for line in BufReader::new(File::open(pipe).unwrap()).lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    receiver
}

/// Starts the suite with a target whose processes all have the pipe open. Waits until the target runs.
async fn suite_with_target(pipe: &Path, start: &str) -> (Child, UnboundedReceiver<String>) {
    let made = Command::new("mkfifo").arg(pipe).status().await.unwrap();
    assert!(made.success());
    let mut lines = lines_of(pipe.to_owned());
    // A shell that waits for a child process, as npm does.
    let target = format!("exec 3>{}; echo ready >&3; sleep 60; true", pipe.display());
    let suite = env!("CARGO_BIN_EXE_clerk-mcp-conformance");
    default_signals();
    let suite = clean_command("sh")
        .args(["-c", &format!("{start} exec {suite} run --command '{target}'")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    assert_eq!(lines.recv().await.as_deref(), Some("ready"));
    (suite, lines)
}

fn send(suite: &Child, signal: Signal) {
    let pid = Pid::from_raw(suite.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn signals_stop_the_target() {
    let folder = TempDir::new().unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let pipe = folder.path().join(code.to_string());
        let (mut suite, mut lines) = suite_with_target(&pipe, "").await;
        send(&suite, signal);
        let status = timeout(LIMIT, suite.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code));
        let end = timeout(LIMIT, lines.recv()).await;
        assert_eq!(end.expect("the target has exited"), None);
    }
}

/// `nohup` starts programs like this.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn ignored_signals_stay_ignored() {
    let folder = TempDir::new().unwrap();
    let (mut suite, _) = suite_with_target(&folder.path().join("pipe"), "trap '' HUP;").await;
    send(&suite, Signal::HUP);
    send(&suite, Signal::TERM);
    let status = timeout(LIMIT, suite.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(143));
}

/// The suite tests servers in any language over HTTP only, including this project's own server.
#[test]
fn the_suite_does_not_depend_on_the_server() {
    let manifest = include_str!("../../Cargo.toml");
    let manifest: toml::Table = toml::from_str(manifest).unwrap();
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else {
            continue;
        };
        for (name, dependency) in dependencies {
            let renamed = dependency.get("package").and_then(toml::Value::as_str);
            assert_ne!(renamed.unwrap_or(name), "clerk-mcp", "{table}");
            let is_in_workspace = dependency.get("path").is_some();
            assert!(!is_in_workspace || name == "local-clerk", "{table}: {name}");
        }
    }
    let lock: toml::Table = toml::from_str(include_str!("../../../Cargo.lock")).unwrap();
    let packages = lock["package"].as_array().unwrap();
    let suite = packages
        .iter()
        .find(|package| package["name"].as_str() == Some("clerk-mcp-conformance"))
        .unwrap();
    let dependencies = suite["dependencies"].as_array().unwrap();
    assert!(dependencies.iter().all(|name| name.as_str() != Some("clerk-mcp")));
}
