//! Three servers behind HAProxy, with the configuration in `examples/replicas/`.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use local_clerk::{LocalClerk, mint::SigningKey};

use crate::{
    calls::{Calls, oauth_token},
    process::{Process, Server, folder, free_port},
    secrets::Secrets,
};

const CLIENTS: usize = 8;
const PAUSE: Duration = Duration::from_millis(10);
/// Time to see what a change does.
const SETTLE: Duration = Duration::from_secs(5);
const PROXY_WITHIN: Duration = Duration::from_secs(10);

/// The calls of each phase.
struct Table<'a> {
    calls: &'a Calls,
    faults: Vec<String>,
}

impl Table<'_> {
    /// Ends a phase: prints its calls.
    async fn row(&mut self, phase: &str) {
        tokio::time::sleep(SETTLE).await;
        let outcome = self.calls.take();
        println!(
            "| {phase} | {} | {} | {:.1?} | {:.1?} |",
            outcome.calls(),
            outcome.failures.len(),
            outcome.quantile(0.5),
            outcome.quantile(0.99)
        );
        let failures = outcome.failures.iter().take(3);
        self.faults
            .extend(failures.map(|failure| format!("{phase}: {failure}")));
        if outcome.calls() < 100 {
            self.faults
                .push(format!("{phase}: only {} calls", outcome.calls()));
        }
    }
}

/// Runs the test. Returns its failures.
pub(crate) async fn run() -> Vec<String> {
    let folder = folder("replicas");
    let clerk = Arc::new(LocalClerk::builder().start().await.unwrap());
    let secrets = Arc::new(Secrets::default());
    secrets.keep(clerk.secret_key().to_owned());
    let port = free_port().await;
    let base_url = format!("http://127.0.0.1:{port}");
    let url = format!("{base_url}/mcp");
    let log = [("RUST_LOG", "debug")];
    let start = |name| Server::start(name, &folder, &clerk, Some(&base_url), &log);
    let (mut one, mut two, mut three) = tokio::join!(start("one"), start("two"), start("three"));

    let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/replicas/haproxy.cfg");
    let mut proxy = Command::new("haproxy");
    proxy
        .args(["-db", "-f"])
        .arg(configuration)
        .env("LISTEN", format!("127.0.0.1:{port}"))
        .env("MCP_HOST", format!("127.0.0.1:{port}"))
        .env("REPLICA_1", one.address.to_string())
        .env("REPLICA_2", two.address.to_string())
        .env("REPLICA_3", three.address.to_string());
    let _proxy = Process::start(&mut proxy, &folder.join("haproxy.log"));
    let begun = Instant::now();
    while !reqwest::get(format!("{base_url}/readyz"))
        .await
        .is_ok_and(|one| one.status().is_success())
    {
        assert!(
            begun.elapsed() < PROXY_WITHIN,
            "HAProxy does not answer: see its log"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    println!("| phase | calls | failed | p50 | p99 |\n| --- | --- | --- | --- | --- |");
    let calls = Calls::start(&url, &clerk, &secrets, CLIENTS, PAUSE);
    let mut table = Table {
        calls: &calls,
        faults: Vec::new(),
    };
    table.row("three replicas").await;
    one.kill();
    table.row("the first is killed (SIGKILL)").await;
    one.start_again().await;
    table.row("the first starts again").await;
    for (name, server) in [("first", &mut one), ("second", &mut two), ("third", &mut three)] {
        let status = server.terminate().await;
        if !status.success() {
            table
                .faults
                .push(format!("the {name} replica ended with {status}"));
        }
        server.start_again().await;
        table.row(&format!("the {name} is restarted (SIGTERM)")).await;
    }
    let old = clerk.signing_key();
    clerk.rotate_key_with_overlap(SigningKey::generate("ins_second"));
    table.row("Clerk signs with a new key").await;
    clerk.drop_key(old.kid());
    table.row("Clerk withdraws the old key").await;
    let mut faults = table.faults;
    let rest = calls.finish().await;
    faults.extend(rest.failures);

    for (name, server) in [("first", &one), ("second", &two), ("third", &three)] {
        let metrics = server.metrics().await;
        let verified = metrics
            .lines()
            .find_map(|line| line.strip_prefix("clerk_mcp_token_verification_seconds_count "));
        println!(
            "\nCalls of the {name} replica since its last start: {}",
            verified.unwrap_or("0")
        );
        if verified.is_none_or(|count| count == "0") {
            faults.push(format!("the {name} replica got no calls"));
        }
    }
    secrets
        .record_answers(&url, &oauth_token(&clerk, &url), &folder)
        .await;
    faults.extend(secrets.search(&folder));
    faults
}
