//! Faults: what an endpoint does instead of, or before, answering as it should.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use crate::store::endpoint::Endpoint;

/// One way to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status, with Clerk's error envelope and the code it has for it: 401, 403, 404, 429, 500, 503, 504.
    Status(u16),
    /// 429 with `Retry-After` in whole seconds, rounded up.
    RateLimited {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The whole API is down, as the network in front of it says it: 503 with an HTML page.
    Down,
    /// 200 and `application/json`, but the body is not JSON.
    Malformed,
    /// The right answer, announced at its full length, and the connection closed half-way.
    Truncated,
    /// 200 and `application/json` with one valid object of about this many bytes.
    Huge {
        /// How large.
        bytes: u64,
    },
    /// The right answer, declared as `text/html`.
    WrongContentType,
    /// 302 to somewhere else.
    Redirect {
        /// The `Location`.
        location: String,
    },
    /// The right answer, if it is a JSON object, with these members set, and those without a value removed.
    Changed {
        /// Names and values.
        members: Vec<(String, Option<Value>)>,
    },
    /// The connection is reset (TCP RST) instead of an answer.
    Reset,
    /// The answer comes this much later. Real time; with [`Hold`](Self::Hold) nothing needs to wait.
    Delay(Duration),
    /// The answer comes when the fault is [cleared](crate::LocalClerk::clear_fault).
    Hold,
}

/// Which requests a fault meets, and how many of them.
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
    /// Empty for all of them.
    endpoints: Vec<Endpoint>,
    times: Option<u32>,
}

/// Names a fault in force, to clear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultId(pub(crate) u64);

impl Fault {
    /// This fault at one endpoint.
    #[must_use]
    pub fn at(self, endpoint: Endpoint) -> FaultRule {
        FaultRule {
            fault: self,
            endpoints: vec![endpoint],
            times: None,
        }
    }

    /// This fault at every endpoint, and at paths that do not exist; the admin API is never affected.
    #[must_use]
    pub fn everywhere(self) -> FaultRule {
        FaultRule {
            fault: self,
            endpoints: Vec::new(),
            times: None,
        }
    }

    /// The name in the admin API and in the log of requests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::RateLimited { .. } => "rate_limited",
            Self::Down => "down",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Huge { .. } => "huge",
            Self::WrongContentType => "wrong_content_type",
            Self::Redirect { .. } => "redirect",
            Self::Changed { .. } => "changed",
            Self::Reset => "reset",
            Self::Delay(_) => "delay",
            Self::Hold => "hold",
        }
    }
}

impl FaultRule {
    /// Also at this endpoint; a fault that was everywhere is then at this one only.
    #[must_use]
    pub fn and(mut self, endpoint: Endpoint) -> Self {
        if !self.endpoints.contains(&endpoint) {
            self.endpoints.push(endpoint);
        }
        self
    }

    /// For this many requests, instead of all until it is cleared.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// What goes wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Where; empty for everywhere.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many more requests it meets; `None` for all.
    pub fn remaining(&self) -> Option<u32> {
        self.times
    }

    fn meets(&self, endpoint: Option<Endpoint>) -> bool {
        self.times != Some(0)
            && (self.endpoints.is_empty() || endpoint.is_some_and(|one| self.endpoints.contains(&one)))
    }
}

/// What a request has to go through.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) waits: Vec<Wait>,
    pub(crate) fault: Option<Fault>,
}

/// A reason to answer later.
#[derive(Debug)]
pub(crate) enum Wait {
    For(Duration),
    Held(watch::Receiver<()>),
}

impl Wait {
    pub(crate) async fn over(self) {
        match self {
            Self::For(duration) => tokio::time::sleep(duration).await,
            // Nothing is ever sent: it ends when the sender is gone, with the fault.
            Self::Held(mut held) => while held.changed().await.is_ok() {},
        }
    }
}

/// The faults in force, in the order they were injected.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    injected: u64,
    rules: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    rule: FaultRule,
    /// Requests that are held wait for this to be dropped.
    held: watch::Sender<()>,
}

impl Faults {
    pub(crate) fn inject(&self, rule: FaultRule) -> FaultId {
        let mut table = self.0.lock();
        table.injected += 1;
        let id = FaultId(table.injected);
        table.rules.push(Active {
            id,
            rule,
            held: watch::Sender::new(()),
        });
        id
    }

    pub(crate) fn clear(&self, id: FaultId) -> bool {
        let mut table = self.0.lock();
        let before = table.rules.len();
        table.rules.retain(|active| active.id != id);
        table.rules.len() < before
    }

    pub(crate) fn clear_all(&self) {
        self.0.lock().rules.clear();
    }

    pub(crate) fn list(&self) -> Vec<(FaultId, FaultRule)> {
        let table = self.0.lock();
        table
            .rules
            .iter()
            .map(|active| (active.id, active.rule.clone()))
            .collect()
    }

    /// Takes what meets a request to this endpoint: every delay, and the first fault that is none.
    pub(crate) fn due(&self, endpoint: Option<Endpoint>) -> Due {
        let mut due = Due::default();
        let mut table = self.0.lock();
        for active in &mut table.rules {
            if !active.rule.meets(endpoint) {
                continue;
            }
            if let Fault::Delay(duration) = &active.rule.fault {
                due.waits.push(Wait::For(*duration));
            } else if active.rule.fault == Fault::Hold {
                due.waits.push(Wait::Held(active.held.subscribe()));
            } else if due.fault.is_none() {
                due.fault = Some(active.rule.fault.clone());
            } else {
                continue;
            }
            if let Some(times) = &mut active.rule.times {
                *times -= 1;
            }
        }
        // A hold that has met all of its requests still holds them.
        table
            .rules
            .retain(|active| active.rule.times != Some(0) || active.rule.fault == Fault::Hold);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_order_and_run_out() {
        let faults = Faults::default();
        faults.inject(Fault::Delay(Duration::from_secs(1)).everywhere());
        faults.inject(Fault::Status(500).at(Endpoint::Jwks).times(1));
        let down = faults.inject(Fault::Down.everywhere().times(3));
        let names = |endpoint| {
            let due = faults.due(endpoint);
            (due.waits.len(), due.fault.map(|fault| fault.name()))
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
