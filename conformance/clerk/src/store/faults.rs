//! Faults that tests inject: definitions, rules, and the list of active faults.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use crate::store::endpoint::Endpoint;

/// A way in which an endpoint fails or delays its response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Responds with this status and Clerk's error envelope. The error code is Clerk's for 401, 403, 404,
    /// 429, 503 and 504, and `internal_clerk_error` for every other status.
    Status(u16),
    /// Responds with 429 and `Retry-After`, in whole seconds, rounded up.
    RateLimited {
        /// The time until the client may retry.
        retry_after: Duration,
    },
    /// Responds with 503 and an HTML page, like a load balancer whose backend is down.
    Down,
    /// Responds with 200 and `application/json`, but the body is not valid JSON.
    Malformed,
    /// Sends the correct response with its full `Content-Length`, but closes the connection half-way.
    Truncated,
    /// Responds with 200, `application/json` and one valid object of about this size.
    Huge {
        /// The size in bytes.
        bytes: u64,
    },
    /// Sends the correct response with the content type `text/html`.
    WrongContentType,
    /// Sends the correct body with this status.
    WrongStatus(u16),
    /// Responds with a 302 redirect.
    Redirect {
        /// The value of `Location`.
        location: String,
    },
    /// Changes members of the correct response, if it is a JSON object.
    Changed {
        /// The members to set, by name; `None` removes a member.
        members: Vec<(String, Option<Value>)>,
    },
    /// Resets the connection (TCP RST) instead of responding.
    Reset,
    /// Delays the response by this much real time. Prefer [`Hold`](Self::Hold) in tests that should not wait.
    Delay(Duration),
    /// Holds the response until the fault is [cleared](crate::LocalClerk::clear_fault).
    Hold,
}

/// A fault, the endpoints it applies to, and how many requests it applies to.
///
/// ```
/// use local_clerk::{Endpoint, Fault};
///
/// let twice = Fault::Status(503).at(Endpoint::Jwks).and(Endpoint::BackendJwks).times(2);
/// let always = Fault::Down.everywhere();
/// # assert_ne!(twice, always);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    fault: Fault,
    /// Empty for all endpoints.
    endpoints: Vec<Endpoint>,
    times: Option<u32>,
}

/// Identifies an active fault, to clear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultId(pub(crate) u64);

impl Fault {
    /// Applies this fault to one endpoint.
    #[must_use]
    pub fn at(self, endpoint: Endpoint) -> FaultRule {
        FaultRule {
            fault: self,
            endpoints: vec![endpoint],
            times: None,
        }
    }

    /// Applies this fault to every endpoint and to unknown paths. The admin API is never affected.
    #[must_use]
    pub fn everywhere(self) -> FaultRule {
        FaultRule {
            fault: self,
            endpoints: Vec::new(),
            times: None,
        }
    }

    /// Returns the name in the admin API and in the request log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::RateLimited { .. } => "rate_limited",
            Self::Down => "down",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Huge { .. } => "huge",
            Self::WrongContentType => "wrong_content_type",
            Self::WrongStatus(_) => "wrong_status",
            Self::Redirect { .. } => "redirect",
            Self::Changed { .. } => "changed",
            Self::Reset => "reset",
            Self::Delay(_) => "delay",
            Self::Hold => "hold",
        }
    }
}

impl FaultRule {
    /// Applies the fault to this endpoint too. A rule made by [`Fault::everywhere`] then applies to this
    /// endpoint only.
    #[must_use]
    pub fn and(mut self, endpoint: Endpoint) -> Self {
        if !self.endpoints.contains(&endpoint) {
            self.endpoints.push(endpoint);
        }
        self
    }

    /// Applies the fault to this many requests, instead of all requests until it is cleared.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Returns the fault.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns the endpoints it applies to; empty for all.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Returns how many more requests it applies to; `None` for all.
    pub fn remaining(&self) -> Option<u32> {
        self.times
    }

    fn applies_to(&self, endpoint: Option<Endpoint>) -> bool {
        self.times != Some(0)
            && (self.endpoints.is_empty()
                || endpoint.is_some_and(|endpoint| self.endpoints.contains(&endpoint)))
    }
}

/// The faults to apply to one request.
#[derive(Debug, Default)]
pub(crate) struct AppliedFaults {
    /// Delays and holds, to wait for first.
    pub(crate) delays: Vec<ResponseDelay>,
    /// The fault that determines the response.
    pub(crate) fault: Option<Fault>,
}

/// A reason to delay the response.
#[derive(Debug)]
pub(crate) enum ResponseDelay {
    For(Duration),
    /// Until the sender, which the active fault holds, is dropped.
    UntilCleared(watch::Receiver<()>),
}

impl ResponseDelay {
    /// Waits until the delay is over.
    pub(crate) async fn wait(self) {
        match self {
            Self::For(duration) => tokio::time::sleep(duration).await,
            // Nothing is ever sent, so this ends when the sender is dropped.
            Self::UntilCleared(mut release) => while release.changed().await.is_ok() {},
        }
    }
}

/// The active faults in the order they were injected.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<FaultTable>);

#[derive(Debug, Default)]
struct FaultTable {
    /// How many faults were injected so far; the last id given out.
    injected: u64,
    active: Vec<ActiveFault>,
}

#[derive(Debug)]
struct ActiveFault {
    id: FaultId,
    rule: FaultRule,
    /// Dropping it releases the requests that the fault holds.
    release: watch::Sender<()>,
}

impl Faults {
    pub(crate) fn inject(&self, rule: FaultRule) -> FaultId {
        let mut table = self.0.lock();
        table.injected += 1;
        let id = FaultId(table.injected);
        table.active.push(ActiveFault {
            id,
            rule,
            release: watch::Sender::new(()),
        });
        id
    }

    /// Clears a fault. Returns whether it was active.
    pub(crate) fn clear(&self, id: FaultId) -> bool {
        let mut table = self.0.lock();
        let before = table.active.len();
        table.active.retain(|active| active.id != id);
        table.active.len() < before
    }

    pub(crate) fn clear_all(&self) {
        self.0.lock().active.clear();
    }

    pub(crate) fn list(&self) -> Vec<(FaultId, FaultRule)> {
        let table = self.0.lock();
        table
            .active
            .iter()
            .map(|active| (active.id, active.rule.clone()))
            .collect()
    }

    /// Returns the faults to apply to a request for this endpoint, and counts the request against their
    /// limits: all delays and holds, and the first other fault.
    pub(crate) fn apply(&self, endpoint: Option<Endpoint>) -> AppliedFaults {
        let mut applied = AppliedFaults::default();
        let mut table = self.0.lock();
        for active in &mut table.active {
            if !active.rule.applies_to(endpoint) {
                continue;
            }
            if let Fault::Delay(duration) = &active.rule.fault {
                applied.delays.push(ResponseDelay::For(*duration));
            } else if active.rule.fault == Fault::Hold {
                applied
                    .delays
                    .push(ResponseDelay::UntilCleared(active.release.subscribe()));
            } else if applied.fault.is_none() {
                applied.fault = Some(active.rule.fault.clone());
            } else {
                continue;
            }
            if let Some(times) = &mut active.rule.times {
                *times -= 1;
            }
        }
        // A hold that has reached its limit still holds its requests.
        table
            .active
            .retain(|active| active.rule.times != Some(0) || active.rule.fault == Fault::Hold);
        applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_apply_in_order_until_their_limit() {
        let faults = Faults::default();
        faults.inject(Fault::Delay(Duration::from_secs(1)).everywhere());
        faults.inject(Fault::Status(500).at(Endpoint::Jwks).times(1));
        let down = faults.inject(Fault::Down.everywhere().times(3));
        let names = |endpoint| {
            let applied = faults.apply(endpoint);
            (applied.delays.len(), applied.fault.map(|fault| fault.name()))
        };
        assert_eq!(names(Some(Endpoint::Jwks)), (1, Some("status")));
        assert_eq!(names(Some(Endpoint::Jwks)), (1, Some("down")));
        assert_eq!(names(None), (1, Some("down")));
        assert_eq!(
            faults.list().last().map(|(_, rule)| rule.remaining()),
            Some(Some(1))
        );
        assert!(faults.clear(down) && !faults.clear(down));
        assert_eq!(names(Some(Endpoint::Jwks)), (1, None));
        faults.clear_all();
        assert_eq!(names(None), (0, None));
    }
}
