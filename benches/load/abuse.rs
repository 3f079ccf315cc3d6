//! Everything at once: half-open connections, stalled bodies, connections beyond the limit, and made-up tokens.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use local_clerk::LocalClerk;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    calls::{Calls, oauth_token},
    process::{Server, folder},
    secrets::Secrets,
};

const DURATION: Duration = Duration::from_secs(45);
const HALF_OPEN: usize = 200;
const STALLED: usize = 200;
/// Connections that send one request and stay open. Together with the others, they exceed [`MAX_CONNECTIONS`].
const IDLE: usize = 400;
const MAX_CONNECTIONS: &str = "600";
const FLOODS: usize = 16;
const MAX_LATENCY: Duration = Duration::from_secs(1);
const MAX_MEGABYTES: f64 = 150.0;

/// Runs the test. Returns its failures.
pub(crate) async fn run() -> Vec<String> {
    let folder = folder("abuse");
    let clerk = Arc::new(LocalClerk::builder().start().await.unwrap());
    let secrets = Arc::new(Secrets::default());
    secrets.keep(clerk.secret_key().to_owned());
    let variables = [("MAX_CONNECTIONS", MAX_CONNECTIONS), ("RUST_LOG", "debug")];
    let server = Server::start("server", &folder, &clerk, None, &variables).await;
    let url = format!("http://{}/mcp", server.address);
    let token = secrets.keep(oauth_token(&clerk, &url));

    // Valid clients connect before the attack starts.
    let calls = Calls::start(&url, &clerk, &secrets, 4, Duration::from_millis(20));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut attackers = JoinSet::new();
    for _ in 0..FLOODS {
        attackers.spawn(flood(url.clone(), Arc::clone(&secrets)));
    }
    for _ in 0..HALF_OPEN {
        attackers.spawn(open(
            server.address,
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthori".to_owned(),
        ));
    }
    for _ in 0..STALLED {
        attackers.spawn(open(server.address, stalled_body(server.address, &token)));
    }
    for _ in 0..IDLE {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        attackers.spawn(open(server.address, request));
    }

    println!("| second | calls | failed | p50 | slowest | memory | file descriptors | tasks |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let (mut faults, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < DURATION {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (outcome, used) = (calls.take(), server.measure().await);
        let slowest = outcome.quantile(1.0);
        println!(
            "| {} | {} | {} | {:.1?} | {slowest:.1?} | {:.0} MB | {} | {} |",
            begun.elapsed().as_secs(),
            outcome.calls(),
            outcome.failures.len(),
            outcome.quantile(0.5),
            used.megabytes,
            used.descriptors,
            used.tasks
        );
        if outcome.calls() == 0 || slowest > MAX_LATENCY {
            faults.push(format!(
                "{} calls, of which the slowest took {slowest:?}",
                outcome.calls()
            ));
        }
        if used.megabytes > MAX_MEGABYTES {
            faults.push(format!("{:.0} MB of memory", used.megabytes));
        }
        faults.extend(outcome.failures.into_iter().take(3));
    }
    attackers.shutdown().await;
    faults.extend(calls.finish().await.failures);
    secrets.record_answers(&url, &token, &folder).await;
    faults.extend(secrets.search(&folder));
    faults
}

/// Returns a request with the head of a call, and not all of its body.
pub(crate) fn stalled_body(address: SocketAddr, token: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n{{\"jsonrpc\":"
    )
}

/// Sends `start` and waits until the server closes the connection, again and again.
pub(crate) async fn open(address: SocketAddr, start: String) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await
            && stream.write_all(start.as_bytes()).await.is_ok()
        {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends made-up opaque tokens.
pub(crate) async fn flood(url: String, secrets: Arc<Secrets>) {
    let http = reqwest::Client::new();
    loop {
        let token = secrets.keep(format!("oat_{}", uuid::Uuid::new_v4().simple()));
        // The status does not matter.
        let _ = http
            .post(&url)
            .bearer_auth(token)
            .json(&crate::calls::body())
            .send()
            .await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
