//! `clerk-mcp explain`: the contents of a token and the outcome of each check.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use local_clerk::{LocalClerk, NewCredential, mint::Recipe};
use serde_json::{Value, json};

use crate::support::program::{Folder, program};

/// Starts a local Clerk that uses the machine's clock, like the program.
async fn clerk() -> LocalClerk {
    LocalClerk::builder().start().await.unwrap()
}

/// Returns a recipe of a valid access token for Ada.
fn access_token(clerk: &LocalClerk) -> Recipe {
    let resource = format!("{BASE_URL}/mcp");
    clerk
        .oauth_token("ada", "client_1", &["profile"], Some(&resource))
        .unwrap()
}

/// Runs `explain` with `input` on stdin, configured for `clerk`.
async fn explain(clerk: &LocalClerk, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let folder = Folder::new("explain");
    let mut command = program(&folder.0);
    command
        .arg("explain")
        .args(arguments)
        .env("BASE_URL", BASE_URL)
        .envs(clerk.environment())
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    // On another thread, because the local Clerk runs on this test's runtime.
    tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Returns the names of the checks with this verdict.
fn checks(report: &Value, verdict: &str) -> Vec<String> {
    report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] == verdict)
        .map(|check| check["check"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn valid_token_is_accepted_and_its_session_is_shown() {
    let clerk = clerk().await;
    let token = access_token(&clerk).mint();
    // With the text that people copy along with a token.
    for input in [
        format!("{token}\n"),
        format!("  Bearer {token}"),
        format!("Authorization: bearer {token}\r\n"),
        format!("\"{token}\""),
    ] {
        let output = explain(&clerk, &["--json"], &[], &input).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&report["accepted"], &report["kind"], &report["refusal"]),
            (&json!(true), &json!("oauth_token"), &Value::Null)
        );
        assert_eq!(report["session"]["scopes"], json!(["profile"]));
        assert_eq!(checks(&report, "failed"), [""; 0]);
    }
    let output = explain(&clerk, &[&token], &[("REQUIRED_SCOPES", "email")], "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("Rejected: 403 insufficient_scope"),
        "{}",
        stdout(&output)
    );
}

/// All failed checks are listed in order. A request would be rejected with the first.
#[tokio::test]
async fn every_failed_check_is_listed() {
    let clerk = clerk().await;
    let token = access_token(&clerk)
        .claim("exp", 1_700_000_000)
        .claim("sub", "not-a-user-id")
        .claim("note", "\u{9b}31m \u{202e}")
        .without_claim("aud")
        .mint();
    let output = explain(&clerk, &[], &[], &token).await;
    assert_eq!(output.status.code(), Some(1));
    let (_, checks) = stdout(&output).split_once("\nChecks\n").unwrap();
    insta::assert_snapshot!(without_seconds(checks));
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(
        !stdout(&output).contains(signature),
        "the output contains the signature"
    );
    assert!(
        stdout(&output).contains(r#""note": "\u009b31m \u202e""#),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).contains("  exp is 2023-11-14T22:13:20Z\n"));
    let output = explain(&clerk, &["--json"], &[], &token).await;
    assert!(!stdout(&output).contains(['\u{9b}', '\u{202e}']));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["claims"]["note"], "\u{9b}31m \u{202e}");
}

#[tokio::test]
async fn rejected_audience_and_party_are_shown_next_to_the_expected_ones() {
    let clerk = clerk().await;
    let audience = format!("{BASE_URL}/mcp?utm_source=x");
    let token = access_token(&clerk).claim("aud", json!([audience])).mint();
    let output = explain(&clerk, &["--json"], &[], &token).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = |report: &Value| {
        let all = report["checks"].as_array().unwrap();
        all.iter()
            .find(|check| check["verdict"] == "failed")
            .unwrap()
            .clone()
    };
    let check = failed(&report);
    assert_eq!(
        (&check["check"], &check["received"]),
        (&json!("aud"), &json!([audience]))
    );
    let detail = check["detail"].as_str().unwrap();
    assert!(
        detail.contains("configured with a URL that has a query")
            && detail.contains(&format!("{BASE_URL}/mcp")),
        "{detail}"
    );

    let parties = [("CLERK_AUTHORIZED_PARTIES", "https://app.example.com")];
    let token = clerk
        .session_token("ada")
        .unwrap()
        .claim("azp", "http://app.example.com")
        .mint();
    let output = explain(&clerk, &["--json"], &parties, &token).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let check = failed(&report);
    assert_eq!(
        (&check["check"], &check["received"]),
        (&json!("azp"), &json!("http://app.example.com"))
    );
    assert!(
        check["detail"]
            .as_str()
            .unwrap()
            .ends_with("expected https://app.example.com"),
        "{check}"
    );
    let output = explain(&clerk, &[], &parties, &token).await;
    assert!(
        stdout(&output).contains("Received: \"http://app.example.com\""),
        "{}",
        stdout(&output)
    );
}

/// Replaces the numbers of seconds, which change with every run.
fn without_seconds(text: &str) -> String {
    let words: Vec<_> = text
        .split(' ')
        .map(|word| {
            if word.len() > 6 && word.bytes().all(|byte| byte.is_ascii_digit()) {
                "[seconds]"
            } else {
                word
            }
        })
        .collect();
    words.join(" ")
}

#[tokio::test]
async fn forged_signature_and_unknown_key_fail_their_own_checks() {
    let clerk = clerk().await;
    let forged = access_token(&clerk).signature(vec![0; 256]).mint();
    let output = explain(&clerk, &["--json"], &[], &forged).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checks(&report, "failed"), ["signature"]);
    assert_eq!(checks(&report, "not-reached"), ["scope"]);
    let unknown = access_token(&clerk).header("kid", "ins_other").mint();
    let output = explain(&clerk, &["--json"], &[], &unknown).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checks(&report, "failed"), ["key"]);
    assert_eq!(checks(&report, "not-reached"), ["signature", "scope"]);
    assert_eq!(report["refusal"]["reason"], "jwk-kid-mismatch");
}

#[tokio::test]
async fn opaque_token_is_verified_with_clerk() {
    let clerk = clerk().await;
    let key = clerk.api_key("ada", NewCredential::default()).unwrap();
    let accepted = [("CLERK_ACCEPTED_TOKENS", "api_key")];
    let explain = async |accepted: &[(&str, &str)], token: &str| {
        let output = explain(&clerk, &["--json"], accepted, token).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = output.status.code().unwrap();
        assert_eq!(code == 0, report["accepted"] == true);
        (code, report)
    };
    let (code, report) = explain(&accepted, &key.secret).await;
    assert_eq!(code, 0, "{report}");
    assert_eq!(
        checks(&report, "passed"),
        ["secret-key", "form", "kind", "clerk", "revoked", "sub"]
    );
    assert!(report["claims"]["subject"].as_str().unwrap().starts_with("user_"));
    clerk.revoke_token(&key.secret).unwrap();
    let (_, report) = explain(&accepted, &key.secret).await;
    assert_eq!(checks(&report, "failed"), ["revoked"]);
    let (_, report) = explain(&accepted, "ak_unknown00000000").await;
    assert_eq!(checks(&report, "failed"), ["clerk"]);
    assert_eq!(
        checks(&report, "not-reached"),
        ["revoked", "exp", "sub", "aud", "scope"]
    );
    // Clerk is not asked about a kind that is not accepted.
    let (_, report) = explain(&[], &key.secret).await;
    assert_eq!(
        (checks(&report, "failed"), checks(&report, "passed")),
        (
            vec!["kind".to_owned()],
            vec!["secret-key".to_owned(), "form".to_owned()]
        )
    );
}

/// While the server's own secret key is wrong, no token is accepted.
#[tokio::test]
async fn wrong_secret_key_is_the_first_failed_check() {
    let clerk = clerk().await;
    let other = LocalClerk::builder().seed(7).start().await.unwrap();
    let token = access_token(&clerk).mint();
    for (changes, reason) in [
        (vec![("CLERK_SECRET_KEY", "sk_test_wrong")], "secret-key-invalid"),
        (
            vec![
                ("CLERK_SECRET_KEY", other.secret_key()),
                ("CLERK_API_URL", other.backend_api_url()),
            ],
            "secret-key-of-another-application",
        ),
    ] {
        let output = explain(&clerk, &["--json"], &changes, &token).await;
        assert_eq!(output.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (checks(&report, "failed"), &report["refusal"]["reason"]),
            (vec!["secret-key".to_owned()], &json!(reason))
        );
        assert_eq!(
            (&report["refusal"]["status"], &report["session"]),
            (&json!(500), &Value::Null)
        );
    }
    // While Clerk is unreachable, the secret key counts as neither valid nor wrong.
    let output = explain(
        &clerk,
        &["--json"],
        &[("CLERK_API_URL", "http://127.0.0.1:9")],
        &token,
    )
    .await;
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn token_is_shown_without_a_configuration() {
    let clerk = clerk().await;
    let token = access_token(&clerk).mint();
    let output = explain(&clerk, &[&token], &[("BASE_URL", "")], "").await;
    assert_eq!(output.status.code(), Some(78));
    assert!(stdout(&output).contains("\"client_id\": \"client_1\""));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("Nothing was checked: ")
            && stderr.contains("\n[Clerk] Missing required config: BASE_URL"),
        "{stderr}"
    );
    let output = explain(&clerk, &["--json", &token], &[("BASE_URL", "")], "").await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            &report["claims"]["client_id"],
            &report["checks"],
            &report["accepted"]
        ),
        (&json!("client_1"), &json!([]), &json!(false))
    );
}

#[tokio::test]
async fn missing_unsigned_and_malformed_tokens_are_reported() {
    let clerk = clerk().await;
    for input in ["", " \n", "Bearer"] {
        let output = explain(&clerk, &[], &[], input).await;
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "[Clerk] Missing token: pass it as an argument or on stdin\n"
        );
    }
    // A token without a signature is still shown.
    let unsigned = access_token(&clerk).header("alg", "none").unsigned().mint();
    let output = explain(&clerk, &["--json"], &[], &unsigned).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checks(&report, "failed"), ["form"]);
    assert_eq!(report["header"]["alg"], "none");
    // Text that is not a token68 fails the first check.
    let output = explain(&clerk, &["--json", "a b"], &[], "").await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checks(&report, "failed"), ["form"]);
}

/// The secret key is the most likely text to be pasted by mistake. It must not be printed or sent.
#[tokio::test]
async fn secret_key_is_named_and_nothing_is_sent() {
    let clerk = clerk().await;
    for arguments in [&[][..], &["--json"]] {
        let output = explain(&clerk, arguments, &[], "Bearer sk_live_hush\n").await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        let text = String::from_utf8(output.stderr).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @"[Clerk] This is the secret key, not a token. Revoke it in Clerk Dashboard > Configure > API keys if you pasted it anywhere.");
        }
    }
    assert!(clerk.requests().is_empty());
}

const BASE_URL: &str = "https://mcp.example.com";
