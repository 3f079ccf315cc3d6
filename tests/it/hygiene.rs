//! Checks that tokens and the secret key appear neither in the log, at any level, nor in any metric.

use clerk_mcp::reason::Reason;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};

use crate::support::{Exchange, TestServer, log::CapturedLog, server::foreign_key};

#[tokio::test]
async fn logs_and_metrics_contain_no_token_and_no_secret_key() {
    let log = CapturedLog::start();
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _metrics = metrics::set_default_local_recorder(&recorder);

    let server = TestServer::builder()
        .set("CLERK_ACCEPTED_TOKENS", "session_token,oauth_token,api_key")
        .spawn()
        .await;
    server.probe.run_once().await;
    let good = server.oauth_token("ada").mint();
    let tokens = [
        good.clone(),
        server.session_token("ada").mint(),
        server.oauth_token("ada").signed_by(&foreign_key()).mint(),
        server.oauth_token("ada").claim("exp", 1).mint(),
        server.oauth_token("ada").without_claim("aud").mint(),
        server.oauth_token("ada").header("kid", "ins_unknown").mint(),
        "oat_S3cretS3cretS3cretS3cretS3cret00".to_owned(),
        "ak_S3cretS3cretS3cretS3cretS3cret00".to_owned(),
        "not-a-token-but-somebodys-password".to_owned(),
    ];
    for token in &tokens {
        server.with_token(token).await;
        Exchange::of(server.request(
            reqwest::Method::GET,
            &format!("/mcp/{token}?access_token={token}"),
        ))
        .await;
        Exchange::of(server.mcp().header("Authorization", format!("Basic {token}"))).await;
    }
    for tool in ["greet", "whoami", "get-user-info", "get-my-organizations"] {
        server.call(&good, tool, json!({ "name": "x" })).await;
        server.call(&good, tool, json!({})).await;
    }

    // A second server, whose secret key belongs to another application: the log must tell the operator so.
    let other = local_clerk::LocalClerk::builder()
        .signing_key(foreign_key())
        .start()
        .await
        .unwrap();
    let misconfigured = TestServer::builder()
        .set("CLERK_API_URL", other.backend_api_url())
        .set("CLERK_SECRET_KEY", other.secret_key())
        .spawn()
        .await;
    misconfigured.probe.run_once().await;
    assert_eq!(misconfigured.with_token(&good).await.status, 500);

    let log = log.text();
    let metrics = metrics.render();
    assert!(
        log.contains("clerk_mcp::auth") && log.lines().count() > 100,
        "the log is too short to prove anything"
    );
    for (output, text) in [("the log", &log), ("the metrics", &metrics)] {
        assert!(
            !text.contains(server.clerk.secret_key()),
            "the secret key is in {output}"
        );
        for token in &tokens {
            for part in token.split('.').filter(|part| part.len() > 20) {
                let line = text.lines().find(|line| line.contains(part));
                // The header of a JWT is not secret; its payload and signature are.
                let is_header = token.starts_with(part) && token.contains('.');
                assert!(is_header || line.is_none(), "a token is in {output}: {line:?}");
            }
        }
    }

    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let mut logged = 0;
    for line in log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let ours = line["target"]
            .as_str()
            .is_some_and(|target| target.starts_with("clerk_mcp::"));
        if ours && let Some(reason) = line["fields"]["reason"].as_str() {
            assert!(reasons.contains(&reason), "{reason} is not in Reason::ALL");
            logged += 1;
        }
    }
    assert!(logged >= tokens.len(), "only {logged} log lines have a reason");
    assert!(
        log.contains("\"reason\":\"secret-key-of-another-application\""),
        "the log does not name the secret key of another application"
    );
    assert!(
        log.contains("copy both from the same application"),
        "the log does not say how to fix the secret key"
    );
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("clerk_mcp_refusals_total{"))
    {
        let reason = line.split('"').nth(1).unwrap();
        assert!(reasons.contains(&reason), "{line}");
    }
    for name in [
        "requests_total",
        "refusals_total",
        "token_verification_seconds",
        "key_fetches_total",
        "clerk_calls_total",
        "cache_lookups_total",
    ] {
        assert!(
            metrics.contains(&format!("clerk_mcp_{name}")),
            "the metric {name} is missing"
        );
    }
}
