//! Valid calls, and their latencies.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use local_clerk::LocalClerk;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::secrets::Secrets;

/// After this time without a response a call counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client uses a token. Shorter than the time after which `soak` withdraws the key of a token.
const TOKEN_LIFETIME: Duration = Duration::from_secs(2);

/// The calls since the last [`take`](Calls::take).
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    latencies: Vec<Duration>,
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    pub(crate) fn add(&mut self, latency: Duration, result: Result<(), String>) {
        match result {
            Ok(()) => self.latencies.push(latency),
            Err(error) => self.failures.push(format!("after {latency:?}: {error}")),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.latencies.len() + self.failures.len()
    }

    /// Returns the latency that this part of the calls did not exceed.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into the latencies"
        )]
        let index = ((latencies.len() as f64 * part) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).copied().unwrap_or_default()
    }
}

/// Clients that call a tool, one call after the other, until they are dropped.
pub(crate) struct Calls {
    outcome: Arc<Mutex<Outcome>>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Calls {
    /// Starts `clients` clients of `url`, which pause between two calls.
    pub(crate) fn start(
        url: &str,
        clerk: &Arc<LocalClerk>,
        secrets: &Arc<Secrets>,
        clients: usize,
        pause: Duration,
    ) -> Self {
        let mut calls = Self {
            outcome: Arc::default(),
            stop: Arc::default(),
            clients: JoinSet::new(),
        };
        for _ in 0..clients {
            let (url, clerk, secrets) = (url.to_owned(), Arc::clone(clerk), Arc::clone(secrets));
            let (outcome, stop) = (Arc::clone(&calls.outcome), Arc::clone(&calls.stop));
            calls.clients.spawn(async move {
                let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
                let (mut token, mut minted) = (secrets.keep(oauth_token(&clerk, &url)), Instant::now());
                while !stop.load(Ordering::Relaxed) {
                    if minted.elapsed() > TOKEN_LIFETIME {
                        (token, minted) = (secrets.keep(oauth_token(&clerk, &url)), Instant::now());
                    }
                    let begun = Instant::now();
                    let result = call(&http, &url, &token).await;
                    outcome.lock().unwrap().add(begun.elapsed(), result);
                    tokio::time::sleep(pause).await;
                }
            });
        }
        calls
    }

    /// Returns what happened since the last time.
    pub(crate) fn take(&self) -> Outcome {
        std::mem::take(&mut self.outcome.lock().unwrap())
    }

    /// Waits for the calls in flight, and returns what happened since the last [`take`](Self::take).
    pub(crate) async fn finish(mut self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        self.take()
    }
}

/// Mints an access token for the server at `url`.
pub(crate) fn oauth_token(clerk: &LocalClerk, url: &str) -> String {
    clerk
        .oauth_token("ada", "client_load", &["profile", "email"], Some(url))
        .unwrap()
        .mint()
}

/// The body of a call of `greet`.
pub(crate) fn body() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "greet", "arguments": { "name": "Ada" } } })
}

/// Calls `greet`. Returns an error unless the result is right.
pub(crate) async fn call(http: &reqwest::Client, url: &str, token: &str) -> Result<(), String> {
    let request = http
        .post(url)
        .header("Accept", "application/json, text/event-stream")
        .bearer_auth(token)
        .json(&body());
    // `{:?}` names the cause, such as a reset connection.
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let text = response.text().await.map_err(|error| format!("{error:?}"))?;
    if status.is_success() && text.contains("Hello, Ada!") {
        return Ok(());
    }
    Err(format!("{status}: {text}"))
}
