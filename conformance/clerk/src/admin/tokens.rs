//! Operations that mint and end tokens.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminError, body};
use crate::{
    http::incoming::Incoming,
    mint::{TokenEnd, TokenSpec},
    store::instance::Instance,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    /// The token or API key, or its id.
    token: String,
}

pub(super) fn mint(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let spec: TokenSpec = body(incoming)?;
    let minted = instance.mint(&spec)?;
    let mut answer = json!({ "token": minted.token });
    if let (Some(id), Some(answer)) = (minted.id, answer.as_object_mut()) {
        answer.insert("id".to_owned(), Value::from(id));
        answer.insert("subject".to_owned(), minted.subject.into());
    }
    Ok(answer)
}

pub(super) fn revoke(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let TokenBody { token } = body(incoming)?;
    instance.end_token(&token, TokenEnd::Revoked)?;
    Ok(json!({}))
}

pub(super) fn expire(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let TokenBody { token } = body(incoming)?;
    instance.end_token(&token, TokenEnd::Expired)?;
    Ok(json!({}))
}
