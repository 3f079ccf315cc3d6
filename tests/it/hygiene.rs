//! What must not get out: tokens and the secret key, at any level of the log, in any metric.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
};

use clerk_mcp::reason::Reason;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tracing_subscriber::{
    Layer,
    filter::dynamic_filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

use crate::support::{Exchange, TestServer, server::foreign_key};

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_token_and_no_secret_in_any_log_or_metric() {
    let log = Kept::default();
    // For the whole process, for tracing remembers of each place in the code whether anybody listens, and asks only one
    // thread; but of this thread alone, which is that of this test's runtime and so of its server's tasks.
    let this = thread::current().id();
    let here = dynamic_filter_fn(move |_, _| thread::current().id() == this);
    let layer = fmt::layer().json().with_writer(log.clone()).with_filter(here);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
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

    // And a server whose key is of another application: what an operator has to go by is in the log.
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

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let metrics = metrics.render();
    assert!(
        log.contains("clerk_mcp::auth") && log.lines().count() > 100,
        "there is a log to look at"
    );
    for (what, text) in [("the log", &log), ("a metric", &metrics)] {
        assert!(
            !text.contains(server.clerk.secret_key()),
            "the secret key is in {what}"
        );
        for token in &tokens {
            for part in token.split('.').filter(|part| part.len() > 20) {
                let line = text.lines().find(|line| line.contains(part));
                // The header of a JWT is the same for all and no secret; the rest is.
                let is_header = token.starts_with(part) && token.contains('.');
                assert!(is_header || line.is_none(), "a token is in {what}: {line:?}");
            }
        }
    }

    let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let mut logged = 0;
    for line in log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let ours = line["target"]
            .as_str()
            .is_some_and(|target| target.starts_with("clerk_mcp::"));
        if ours && let Some(reason) = line["fields"]["reason"].as_str() {
            assert!(known.contains(&reason), "{reason} is not in the list");
            logged += 1;
        }
    }
    assert!(logged >= tokens.len());
    assert!(
        log.contains("\"reason\":\"secret-key-of-another-application\""),
        "the operator is told"
    );
    assert!(
        log.contains("copy both from the same application"),
        "and what to do"
    );
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("clerk_mcp_refusals_total{"))
    {
        let reason = line.split('"').nth(1).unwrap();
        assert!(known.contains(&reason), "{line}");
    }
    for name in [
        "requests_total",
        "refusals_total",
        "token_verification_seconds",
        "key_fetches_total",
        "clerk_calls_total",
        "cache_lookups_total",
    ] {
        assert!(metrics.contains(&format!("clerk_mcp_{name}")), "no metric {name}");
    }
}
