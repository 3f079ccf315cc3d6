//! Keys that change, faults, and what was asked.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use poem::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{AdminError, body};
use crate::{
    http::incoming::Incoming,
    mint::{Signer, SigningKey},
    store::{
        endpoint::Endpoint,
        faults::{Fault, FaultId, FaultRule},
        instance::Instance,
    },
    tokens::placeholders::{apply_changes, resolve_changes, resolve_value},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    #[serde(default)]
    overlap: bool,
}

/// A key as some signer has it, with members changed; or anything at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishBody {
    of: Option<Signer>,
    #[serde(default)]
    members: BTreeMap<String, Value>,
    jwk: Option<Value>,
    #[serde(default)]
    last: bool,
}

impl PublishBody {
    fn jwk(&self, instance: &Instance) -> Result<Value, AdminError> {
        let bad = |message| AdminError::new(StatusCode::BAD_REQUEST, message);
        let now = instance.clock.now();
        match (&self.jwk, self.of) {
            (Some(jwk), None) if self.members.is_empty() => Ok(resolve_value(jwk, now)?),
            (None, Some(signer)) => {
                let mut jwk = instance
                    .public_jwk(signer)
                    .ok_or_else(|| bad("this signer has no key that could be published"))?;
                if let Some(jwk) = jwk.as_object_mut() {
                    apply_changes(jwk, &resolve_changes(&self.members, now)?);
                }
                Ok(jwk)
            }
            _ => Err(bad("either of and members, or jwk")),
        }
    }
}

/// Which fault, and what it needs; which members that are is checked when it is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultBody {
    fault: String,
    status: Option<u16>,
    retry_after_seconds: Option<u32>,
    bytes: Option<u64>,
    location: Option<String>,
    milliseconds: Option<u64>,
    members: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    endpoints: Vec<String>,
    times: Option<u32>,
}

impl FaultBody {
    fn fault(&self, now: Timestamp) -> Result<Fault, AdminError> {
        let bad = |message: String| AdminError::new(StatusCode::BAD_REQUEST, message);
        let missing = |name: &str| bad(format!("the fault {:?} needs the member {name:?}", self.fault));
        match self.fault.as_str() {
            "status" => match self.status {
                Some(status @ 200..600) => Ok(Fault::Status(status)),
                Some(_) => Err(bad("status must be from 200 to 599".to_owned())),
                None => Err(missing("status")),
            },
            "rate_limited" => {
                let seconds = self
                    .retry_after_seconds
                    .ok_or_else(|| missing("retry_after_seconds"))?;
                Ok(Fault::RateLimited {
                    retry_after: Duration::from_secs(seconds.into()),
                })
            }
            "down" => Ok(Fault::Down),
            "malformed" => Ok(Fault::Malformed),
            "truncated" => Ok(Fault::Truncated),
            "huge" => Ok(Fault::Huge {
                bytes: self.bytes.ok_or_else(|| missing("bytes"))?,
            }),
            "wrong_content_type" => Ok(Fault::WrongContentType),
            "redirect" => Ok(Fault::Redirect {
                location: self.location.clone().ok_or_else(|| missing("location"))?,
            }),
            "changed" => {
                let members = self.members.as_ref().ok_or_else(|| missing("members"))?;
                Ok(Fault::Changed {
                    members: resolve_changes(members, now)?,
                })
            }
            "reset" => Ok(Fault::Reset),
            "delay" => {
                let milliseconds = self.milliseconds.ok_or_else(|| missing("milliseconds"))?;
                Ok(Fault::Delay(Duration::from_millis(milliseconds)))
            }
            "hold" => Ok(Fault::Hold),
            other => Err(bad(format!("there is no fault {other:?}; GET /admin lists them"))),
        }
    }
}

pub(super) fn rotate_key(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let RotateBody { overlap } = body(incoming)?;
    let key = SigningKey::generate(instance.ids.id("ins"));
    let mut keys = instance.keys.write();
    if overlap {
        keys.replace_with_overlap(key);
    } else {
        keys.replace(key);
    }
    Ok(json!({
        "signing_key": keys.signing().kid(),
        "published_keys": keys.published_kids().collect::<Vec<_>>(),
    }))
}

pub(super) fn publish_key(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let body: PublishBody = body(incoming)?;
    let jwk = body.jwk(instance)?;
    let mut keys = instance.keys.write();
    if body.last {
        keys.publish_last(jwk);
    } else {
        keys.publish_first(jwk);
    }
    Ok(json!({ "published_keys": keys.published_kids().collect::<Vec<_>>() }))
}

pub(super) fn drop_key(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let mut keys = instance.keys.write();
    if !keys.unpublish(incoming.path("kid")) {
        return Err(AdminError::new(
            StatusCode::NOT_FOUND,
            "no key of this id is published",
        ));
    }
    Ok(json!({ "published_keys": keys.published_kids().collect::<Vec<_>>() }))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of operations wants one type of handler"
)]
pub(super) fn faults(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    let faults: Vec<Value> = instance
        .faults
        .list()
        .iter()
        .map(|(id, rule)| view(*id, rule))
        .collect();
    Ok(json!({ "faults": faults }))
}

pub(super) fn inject(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let body: FaultBody = body(incoming)?;
    let mut rule = body.fault(instance.clock.now())?.everywhere();
    for name in &body.endpoints {
        let endpoint = Endpoint::from_name(name).ok_or_else(|| {
            let message = format!("there is no endpoint {name:?}; GET /admin lists them");
            AdminError::new(StatusCode::BAD_REQUEST, message)
        })?;
        rule = rule.and(endpoint);
    }
    if let Some(times) = body.times {
        rule = rule.times(times);
    }
    let id = instance.faults.inject(rule.clone());
    Ok(view(id, &rule))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of operations wants one type of handler"
)]
pub(super) fn clear_faults(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    instance.faults.clear_all();
    Ok(json!({}))
}

pub(super) fn clear_fault(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let cleared = incoming
        .path("id")
        .parse()
        .is_ok_and(|id| instance.faults.clear(FaultId(id)));
    if cleared {
        Ok(json!({}))
    } else {
        Err(AdminError::new(
            StatusCode::NOT_FOUND,
            "no fault of this id is in force",
        ))
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of operations wants one type of handler"
)]
pub(super) fn requests(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    let counters: Map<String, Value> = Endpoint::ALL
        .iter()
        .map(|&endpoint| (endpoint.name().to_owned(), json!(instance.log.count(endpoint))))
        .collect();
    let requests: Vec<Value> = instance
        .log
        .records()
        .iter()
        .map(|record| {
            json!({
                "number": record.number,
                "at": record.at.to_string(),
                "endpoint": record.endpoint.map(Endpoint::name),
                "method": record.method,
                "path": record.path,
                "authorization": record.authorization,
                "status": record.status,
                "fault": record.fault,
            })
        })
        .collect();
    Ok(json!({ "counters": counters, "requests": requests }))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of operations wants one type of handler"
)]
pub(super) fn clear_requests(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    instance.log.clear();
    Ok(json!({}))
}

fn view(id: FaultId, rule: &FaultRule) -> Value {
    let endpoints: Vec<&str> = rule.endpoints().iter().map(|endpoint| endpoint.name()).collect();
    json!({
        "id": id.0,
        "fault": rule.fault().name(),
        "endpoints": endpoints,
        "remaining": rule.remaining(),
    })
}
