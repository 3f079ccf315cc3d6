//! A target that runs: sends it requests, tells how it ended, and stops it.

use std::time::Duration;

use local_clerk::LocalClerk;
use tempfile::NamedTempFile;
use tokio::time::{Instant, sleep};
use url::Url;

use super::{request::compose, values::Values};
use crate::{
    case::Step,
    intercept::Intercept,
    target::{Ended, Started},
    wire::{Address, Answer, Outgoing, Trust, WireError, exchange},
};

/// How often a target is polled. Another program does not tell when it is ready or has ended.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a target that no longer answers may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// Sends requests to a target, each on its own connection.
pub(super) struct TargetClient {
    address: Address,
    timeout: Duration,
    /// `initialize` without a token.
    probe: Outgoing,
}

impl TargetClient {
    /// Creates a client for the target whose URL is among `values`.
    ///
    /// # Errors
    /// A sentence, when the URL is invalid.
    pub(super) fn new(values: &Values, trust: &Trust, timeout: Duration) -> Result<Self, String> {
        let url = match values.get("listens_on") {
            Some(authority) => format!("http://{authority}"),
            None => values.get("base_url").unwrap_or_default().to_owned(),
        };
        let parsed = Url::parse(&url).map_err(|error| format!("{url}: {error}"))?;
        Ok(Self {
            address: Address::of(&parsed, trust).ok_or_else(|| format!("{url} has no host"))?,
            timeout,
            probe: compose(&Step::default(), None, None, values)?,
        })
    }

    /// Sends one request.
    pub(super) async fn send(&self, request: &Outgoing) -> Result<Answer, WireError> {
        exchange(&self.address, request, self.timeout).await
    }

    /// Sends one request, with a time limit that may exceed the limit of the run.
    pub(super) async fn send_within(&self, request: &Outgoing, limit: Duration) -> Result<Answer, WireError> {
        exchange(&self.address, request, limit.max(self.timeout)).await
    }

    /// Sends one request, with a time limit that may be shorter than the limit of the run.
    pub(super) async fn send_by(&self, request: &Outgoing, limit: Duration) -> Result<Answer, WireError> {
        exchange(&self.address, request, limit).await
    }

    /// Checks that the target answers at all.
    pub(super) async fn probe(&self) -> Result<(), WireError> {
        self.send(&self.probe).await.map(|_| ())
    }
}

/// A target that runs.
pub(super) struct RunningTarget {
    pub(super) client: TargetClient,
    /// `None` for a target that was already running.
    own: Option<OwnTarget>,
}

/// A target that the suite started, with everything that runs only for it.
pub(super) struct OwnTarget {
    pub(super) started: Started,
    pub(super) clerks: Vec<LocalClerk>,
    /// The file with the certificate authority of the local Clerk. Dropping it deletes the file.
    pub(super) _ca_file: Option<NamedTempFile>,
    pub(super) intercept: Option<Intercept>,
}

impl RunningTarget {
    pub(super) fn new(client: TargetClient, own: Option<OwnTarget>) -> Self {
        Self { client, own }
    }

    /// Returns whether the suite started the target.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Returns how the target ended, or `None` if it is running.
    pub(super) async fn ended(&self) -> Option<Ended> {
        self.own.as_ref()?.started.ended().await
    }

    /// Returns the last output of the target.
    pub(super) fn output(&self) -> String {
        let output = self.own.as_ref().map(|own| own.started.output());
        output.unwrap_or_default()
    }

    /// Returns how the target ended. If it does not answer, waits a moment for it to end, because a process
    /// closes its connections before it exits.
    pub(super) async fn ended_or_ending(&self) -> Option<Ended> {
        let ended = self.ended().await;
        if ended.is_some() || self.client.probe().await.is_ok() {
            return ended;
        }
        let deadline = Instant::now() + ENDING;
        while Instant::now() < deadline {
            if let Some(ended) = self.ended().await {
                return Some(ended);
            }
            sleep(POLL_INTERVAL).await;
        }
        None
    }

    /// Returns whether requests for Clerk are intercepted and the target sent none through the proxy.
    pub(super) fn bypasses_proxy(&self) -> bool {
        let intercept = self.own.as_ref().and_then(|own| own.intercept.as_ref());
        intercept.is_some_and(|intercept| !intercept.is_used())
    }

    /// Stops the target and the local Clerks that run only for it.
    pub(super) async fn stop(self) {
        let Some(own) = self.own else { return };
        own.started.stop().await;
        for clerk in own.clerks {
            clerk.stop().await;
        }
    }
}
