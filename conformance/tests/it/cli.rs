//! The commands `clerk`, `--help` and `--version`.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::run::clean_command;

fn program() -> Command {
    let mut command = clean_command(env!("CARGO_BIN_EXE_clerk-mcp-conformance"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn clerk_prints_json_and_stops_on_sigterm() {
    let mut child = program()
        .args(["clerk", "--json", "--auto-approve", "Ada"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .await
        .unwrap();
    let printed: Value = serde_json::from_str(&line).unwrap();
    let url = printed["environment"]["CLERK_FRONTEND_API_URL"].as_str().unwrap();
    assert_eq!(printed["frontendApiUrl"], url);
    assert_eq!(printed["users"][0]["organizations"].as_array().unwrap().len(), 3);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let metadata: Value = http
        .get(format!("{url}/.well-known/oauth-authorization-server"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(metadata["issuer"], url);

    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn clerk_errors_exit_with_2_and_say_what_to_do() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, expected) in [
        (&["clerk", "--port", &port][..], "choose another port"),
        (
            &["clerk", "--auto-approve", "Unknown"],
            "cannot auto-approve sign-ins: no user has",
        ),
        (
            &["clerk", "--state", "/nowhere.toml"],
            "cannot read /nowhere.toml",
        ),
        (&["clerk", "--rate-limit", "often"], "use development, production"),
        (&["clerk", "--save-authority", "ca.pem"], "--https"),
        (
            &["clerk", "--port", "65535", "--instances", "2"],
            "the ports after --port are too few",
        ),
        (&["clerk", "--port", "many"], "invalid value 'many'"),
        (&[], "Usage:"),
    ] {
        let output = program().args(arguments).output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn clerk_runs_several_instances_over_https() {
    let authority = std::env::temp_dir().join(format!("local-clerk-cli-{}.pem", std::process::id()));
    let mut child = program()
        .args([
            "clerk",
            "--json",
            "--https",
            "--instances",
            "2",
            "--seed",
            "7",
            "--save-authority",
        ])
        .arg(&authority)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed: Vec<Value> = Vec::new();
    for _ in 0..2 {
        printed.push(serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap());
    }
    assert_ne!(printed[0]["instanceId"], printed[1]["instanceId"]);
    assert_ne!(
        printed[0]["environment"]["CLERK_SECRET_KEY"],
        printed[1]["environment"]["CLERK_SECRET_KEY"]
    );
    let pem = std::fs::read(printed[0]["environment"]["CLERK_CA_FILE"].as_str().unwrap()).unwrap();
    std::fs::remove_file(&authority).unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .build()
        .unwrap();
    for one in &printed {
        let admin = http.get(one["adminUrl"].as_str().unwrap()).send().await.unwrap();
        assert!(admin.status().is_success());
    }
}

#[tokio::test]
async fn prints_help_and_version() {
    let output = program().args(["clerk", "--help"]).output().await.unwrap();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        ["Examples:", "Exit codes:", "GET /admin", "--save-authority"]
            .iter()
            .all(|part| help.contains(part)),
        "{help}"
    );
    let output = program().arg("--version").output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(env!("CARGO_PKG_VERSION")));
}
