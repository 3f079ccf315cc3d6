//! The program.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-mcp-conformance"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_starts_says_so_in_json_and_stops_when_told() {
    let mut child = program()
        .args(["clerk", "--json", "--auto-approve", "Ada"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .await
        .unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = said["environment"]["CLERK_FRONTEND_API_URL"].as_str().unwrap();
    assert_eq!(said["frontendApiUrl"], url);
    assert_eq!(said["users"][0]["organizations"].as_array().unwrap().len(), 3);
    let metadata: Value = reqwest::get(format!("{url}/.well-known/oauth-authorization-server"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(metadata["issuer"], url);

    let pid = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn trouble_is_two_and_says_what_to_do() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, expected) in [
        (&["clerk", "--port", &port][..], "choose another port"),
        (
            &["clerk", "--auto-approve", "Nobody"],
            "cannot sign anyone in without a page: no user has",
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
async fn help_and_version_are_there() {
    let output = program().args(["clerk", "--help"]).output().await.unwrap();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
    let output = program().arg("--version").output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(env!("CARGO_PKG_VERSION")));
}
