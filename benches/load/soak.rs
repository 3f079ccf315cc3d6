//! Mixed load for a long time, with outages, key rotations and misbehaving clients.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use local_clerk::{Endpoint, Fault, LocalClerk, mint::SigningKey};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    abuse::{flood, open, stalled_body},
    calls::{Calls, Outcome, call, oauth_token},
    process::{Measurement, Server, folder},
    secrets::Secrets,
};

/// Enough tokens to fill the server's cache of verified tokens. Memory grows until it is full.
const CACHED_TOKENS: usize = 5_000;

/// One row of the table.
struct Row {
    used: Measurement,
    p50: Duration,
    /// The median latency of requests that the server has no part in.
    reference: Duration,
}

/// Runs the test. Returns its failures.
pub(crate) async fn run(minutes: u64) -> Vec<String> {
    let folder = folder("soak");
    let clerk = Arc::new(LocalClerk::builder().start().await.unwrap());
    let secrets = Arc::new(Secrets::default());
    secrets.keep(clerk.secret_key().to_owned());
    let server = Server::start("server", &folder, &clerk, None, &[]).await;
    let url = format!("http://{}/mcp", server.address);
    fill_cache(&clerk, &url).await;

    let token = secrets.keep(oauth_token(&clerk, &url));
    let reference = Arc::<Mutex<Outcome>>::default();
    let calls = Calls::start(&url, &clerk, &secrets, 8, Duration::from_millis(20));
    let mut others = JoinSet::new();
    others.spawn(events(Arc::clone(&clerk)));
    others.spawn(measure_reference(
        clerk.frontend_api_url().to_owned(),
        Arc::clone(&reference),
    ));
    for _ in 0..4 {
        others.spawn(flood(url.clone(), Arc::clone(&secrets)));
        others.spawn(unknown_keys(
            Arc::clone(&clerk),
            url.clone(),
            Arc::clone(&secrets),
        ));
        others.spawn(abandon(Arc::clone(&clerk), url.clone(), Arc::clone(&secrets)));
    }
    for _ in 0..20 {
        others.spawn(open(server.address, "POST /mcp HTTP/1.1\r\n".to_owned()));
        others.spawn(open(server.address, stalled_body(server.address, &token)));
        others.spawn(slowly(
            server.address,
            format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address),
        ));
    }

    println!("| minute | calls | failed | p50 | p99 | reference p50 | memory | file descriptors | tasks |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let (mut faults, mut rows, begun) = (Vec::new(), Vec::new(), Instant::now());
    for minute in 1..=minutes {
        sleep((begun + Duration::from_secs(minute * 60)).saturating_duration_since(Instant::now())).await;
        let (outcome, used) = (calls.take(), server.measure().await);
        let reference = std::mem::take(&mut *reference.lock().unwrap()).quantile(0.5);
        println!(
            "| {minute} | {} | {} | {:.1?} | {:.1?} | {reference:.1?} | {:.1} MB | {} | {} |",
            outcome.calls(),
            outcome.failures.len(),
            outcome.quantile(0.5),
            outcome.quantile(0.99),
            used.megabytes,
            used.descriptors,
            used.tasks
        );
        rows.push(Row {
            used,
            p50: outcome.quantile(0.5),
            reference,
        });
        faults.extend(outcome.failures.into_iter().take(3));
    }
    others.shutdown().await;
    faults.extend(calls.finish().await.failures);
    if let [first, .., last] = rows.as_slice() {
        faults.extend(growth(first, last));
    }
    secrets.record_answers(&url, &token, &folder).await;
    faults.extend(secrets.search(&folder));
    faults
}

/// Compares the first and the last row. The slack allows for what the load happens to do in that moment.
fn growth(first: &Row, last: &Row) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |what: &str, first: f64, last: f64, most: f64| {
        if last > most {
            faults.push(format!(
                "{what} grew from {first:.1} to {last:.1}; at most {most:.1} is flat"
            ));
        }
    };
    let (one, other) = (&first.used, &last.used);
    check(
        "memory (MB)",
        one.megabytes,
        other.megabytes,
        one.megabytes * 1.1 + 5.0,
    );
    let slack = |count: usize| count as f64 * 1.1 + 50.0;
    check(
        "file descriptors",
        one.descriptors as f64,
        other.descriptors as f64,
        slack(one.descriptors),
    );
    check("tasks", one.tasks as f64, other.tasks as f64, slack(one.tasks));
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let (one, other) = (milliseconds(first.p50), milliseconds(last.p50));
    // If the machine became busier, requests to other servers take longer, too.
    let busier = (milliseconds(last.reference) / milliseconds(first.reference)).max(1.0);
    check("the median latency (ms)", one, other, (one * 2.0 + 5.0) * busier);
    faults
}

/// Measures requests to the local Clerk, which runs in the process of the test.
async fn measure_reference(clerk: String, latencies: Arc<Mutex<Outcome>>) {
    let http = reqwest::Client::new();
    loop {
        let begun = Instant::now();
        let response = http
            .get(format!("{clerk}/.well-known/openid-configuration"))
            .send();
        let result = response.await.map(drop).map_err(|error| format!("{error:?}"));
        latencies.lock().unwrap().add(begun.elapsed(), result);
        sleep(Duration::from_millis(50)).await;
    }
}

/// Fills the server's cache of verified tokens.
async fn fill_cache(clerk: &LocalClerk, url: &str) {
    let http = reqwest::Client::new();
    let recipe = clerk
        .oauth_token("ada", "client_load", &["profile", "email"], Some(url))
        .unwrap();
    let numbers: Vec<usize> = (0..CACHED_TOKENS).collect();
    for batch in numbers.chunks(50) {
        let one = |number: &usize| {
            let token = recipe.clone().claim("jti", format!("fill {number}")).mint();
            let http = http.clone();
            async move { call(&http, url, &token).await.unwrap() }
        };
        join_all(batch.iter().map(one)).await;
    }
}

/// Makes Clerk unavailable, and rotates its keys, in turn.
async fn events(clerk: Arc<LocalClerk>) {
    for number in 0.. {
        sleep(Duration::from_secs(10)).await;
        for fault in [Fault::Down, Fault::Status(503), Fault::Malformed] {
            let fault = clerk.inject(fault.at(Endpoint::Jwks).and(Endpoint::BackendUser));
            sleep(Duration::from_secs(5)).await;
            clerk.clear_fault(fault);
        }
        // Servers learn of a key within ten seconds, regardless of made-up tokens. Clerk signs with it later.
        let (old, new) = (clerk.signing_key(), SigningKey::generate(format!("ins_{number}")));
        clerk.publish_last(new.jwk());
        sleep(Duration::from_secs(15)).await;
        clerk.rotate_key_with_overlap(new);
        sleep(Duration::from_secs(15)).await;
        clerk.drop_key(old.kid());
    }
}

/// Sends JWTs whose key does not exist.
async fn unknown_keys(clerk: Arc<LocalClerk>, url: String, secrets: Arc<Secrets>) {
    let http = reqwest::Client::new();
    loop {
        let recipe = clerk.session_token("grace").unwrap();
        let token = recipe
            .header("kid", format!("ins_{}", uuid::Uuid::new_v4().simple()))
            .mint();
        let _ = call(&http, &url, &secrets.keep(token)).await;
        sleep(Duration::from_millis(50)).await;
    }
}

/// Calls a tool that asks Clerk, and disconnects at once.
async fn abandon(clerk: Arc<LocalClerk>, url: String, secrets: Arc<Secrets>) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "whoami", "arguments": {} } });
    let http = reqwest::Client::new();
    loop {
        let token = secrets.keep(oauth_token(&clerk, &url));
        let request = http.post(&url).bearer_auth(token).json(&body);
        let _ = timeout(Duration::from_millis(3), request.send()).await;
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a request one byte at a time, and reads the answer in the same way.
async fn slowly(address: std::net::SocketAddr, request: String) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            for byte in request.bytes() {
                sleep(Duration::from_millis(50)).await;
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
            for _ in 0..100 {
                sleep(Duration::from_millis(50)).await;
                if !matches!(stream.read(&mut [0]).await, Ok(1)) {
                    break;
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
