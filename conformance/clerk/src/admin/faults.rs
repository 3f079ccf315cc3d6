//! Operations that inject and clear faults.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use poem::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminError, body};
use crate::{
    http::incoming::Incoming,
    store::{
        endpoint::Endpoint,
        faults::{Fault, FaultId, FaultRule},
        instance::Instance,
    },
    tokens::placeholders::resolve_changes,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultBody {
    /// The kind of fault.
    fault: FaultKind,
    /// For `status` and `wrong_status`: the HTTP status, from 200 to 599.
    status: Option<u16>,
    /// For `rate_limited`: the seconds in `Retry-After`.
    retry_after_seconds: Option<u32>,
    /// For `huge`: the approximate size of the response body in bytes.
    bytes: Option<u64>,
    /// For `redirect`: the URL to redirect to.
    location: Option<String>,
    /// For `delay`: the delay in milliseconds.
    milliseconds: Option<u64>,
    /// For `changed`: members of the response body to set, or with null to remove.
    members: Option<BTreeMap<String, Value>>,
    /// The affected endpoints, by their names in the list `endpoints`. Default: every path except the admin
    /// API.
    #[serde(default)]
    endpoints: Vec<String>,
    /// The number of requests that the fault affects. Default: all, until the fault is cleared.
    times: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    /// Responds with an HTTP status and Clerk's error body. Needs `status`.
    Status,
    /// Responds with 429 and `Retry-After`. Needs `retry_after_seconds`.
    RateLimited,
    /// Responds with 503 and an HTML page, like a proxy in front of an API that is down.
    Down,
    /// Responds with 200 and `application/json`, but the body is not JSON.
    Malformed,
    /// Announces the full length of the correct body, sends half of it, then closes the connection.
    Truncated,
    /// Responds with 200 and a very large JSON object. Needs `bytes`.
    Huge,
    /// Sends the correct body with `Content-Type: text/html`.
    WrongContentType,
    /// Sends the correct body with another status. Needs `status`.
    WrongStatus,
    /// Responds with 302. Needs `location`.
    Redirect,
    /// Sends the correct JSON object with some members changed or removed. Needs `members`.
    Changed,
    /// Resets the connection (TCP RST) instead of responding.
    Reset,
    /// Responds correctly after a delay. Needs `milliseconds`.
    Delay,
    /// Holds requests until the fault is cleared, then responds correctly.
    Hold,
}

impl FaultBody {
    fn fault(&self, now: Timestamp) -> Result<Fault, AdminError> {
        let missing = |name: &str| AdminError::bad_request(format!("this fault needs the member {name}"));
        Ok(match self.fault {
            FaultKind::Status | FaultKind::WrongStatus => match self.status {
                Some(status @ 200..600) if self.fault == FaultKind::Status => Fault::Status(status),
                Some(status @ 200..600) => Fault::WrongStatus(status),
                Some(status) => {
                    let message = format!("invalid status {status}: expected 200 to 599");
                    return Err(AdminError::bad_request(message));
                }
                None => return Err(missing("status")),
            },
            FaultKind::RateLimited => {
                let seconds = self
                    .retry_after_seconds
                    .ok_or_else(|| missing("retry_after_seconds"))?;
                Fault::RateLimited {
                    retry_after: Duration::from_secs(seconds.into()),
                }
            }
            FaultKind::Down => Fault::Down,
            FaultKind::Malformed => Fault::Malformed,
            FaultKind::Truncated => Fault::Truncated,
            FaultKind::Huge => Fault::Huge {
                bytes: self.bytes.ok_or_else(|| missing("bytes"))?,
            },
            FaultKind::WrongContentType => Fault::WrongContentType,
            FaultKind::Redirect => Fault::Redirect {
                location: self.location.clone().ok_or_else(|| missing("location"))?,
            },
            FaultKind::Changed => {
                let members = self.members.as_ref().ok_or_else(|| missing("members"))?;
                Fault::Changed {
                    members: resolve_changes(members, now)?,
                }
            }
            FaultKind::Reset => Fault::Reset,
            FaultKind::Delay => {
                let milliseconds = self.milliseconds.ok_or_else(|| missing("milliseconds"))?;
                Fault::Delay(Duration::from_millis(milliseconds))
            }
            FaultKind::Hold => Fault::Hold,
        })
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
pub(super) fn list(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    let faults: Vec<Value> = instance
        .faults
        .list()
        .iter()
        .map(|(id, rule)| fault_json(*id, rule))
        .collect();
    Ok(json!({ "faults": faults }))
}

pub(super) fn inject(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let body: FaultBody = body(incoming)?;
    let mut rule = body.fault(instance.clock.now())?.everywhere();
    for name in &body.endpoints {
        let endpoint = Endpoint::from_name(name).ok_or_else(|| {
            AdminError::bad_request(format!(
                "unknown endpoint {name:?}: GET /admin lists the endpoints"
            ))
        })?;
        rule = rule.and(endpoint);
    }
    if let Some(times) = body.times {
        rule = rule.times(times);
    }
    let id = instance.faults.inject(rule.clone());
    Ok(fault_json(id, &rule))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
pub(super) fn clear_all(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    instance.faults.clear_all();
    Ok(json!({}))
}

pub(super) fn clear(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let id = incoming.path("id");
    let cleared = id.parse().is_ok_and(|id| instance.faults.clear(FaultId(id)));
    if cleared {
        Ok(json!({}))
    } else {
        let message = format!("no active fault has the id {id:?}");
        Err(AdminError::new(StatusCode::NOT_FOUND, message))
    }
}

fn fault_json(id: FaultId, rule: &FaultRule) -> Value {
    let endpoints: Vec<&str> = rule.endpoints().iter().map(|endpoint| endpoint.name()).collect();
    json!({
        "id": id.0,
        "fault": rule.fault().name(),
        "endpoints": endpoints,
        "remaining": rule.remaining(),
    })
}
