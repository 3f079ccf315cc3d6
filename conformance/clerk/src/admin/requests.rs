//! Operations on the request log and its counters.

use serde_json::{Map, Value, json};

use super::AdminError;
use crate::{
    http::incoming::Incoming,
    store::{endpoint::Endpoint, instance::Instance},
};

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
pub(super) fn list(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
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
                "query": record.has_query,
                "authorization": record.authorization,
                "status": record.status,
                "fault": record.fault,
            })
        })
        .collect();
    Ok(json!({ "counters": counters, "huge_bytes": instance.log.huge_bytes(), "requests": requests }))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
pub(super) fn clear(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    instance.log.clear();
    Ok(json!({}))
}
