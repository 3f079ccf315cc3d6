//! Operations on the signing key and the published keys.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminError, body};
use crate::{
    http::incoming::Incoming,
    mint::{Signer, SigningKey},
    store::{instance::Instance, keyring::Keyring},
    tokens::placeholders::{apply_changes, resolve_changes, resolve_value},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateBody {
    /// Whether the keys published before stay published, so that tokens they signed still verify.
    #[serde(default)]
    overlap: bool,
}

/// Either `of`, optionally with `members`, or `jwk`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishBody {
    /// The signer whose key to publish: `instance`, `another_key`, `small_key` or `shared_secret`. The others
    /// have no key of their own.
    of: Option<Signer>,
    /// Members of that key to set, or with null to remove.
    #[serde(default)]
    members: BTreeMap<String, Value>,
    /// What to publish instead of a signer's key: any JSON value, even one that is not a valid key.
    jwk: Option<Value>,
    /// Whether to publish the key after the other keys instead of before them.
    #[serde(default)]
    last: bool,
}

impl PublishBody {
    fn jwk(&self, instance: &Instance) -> Result<Value, AdminError> {
        let now = instance.clock.now();
        match (&self.jwk, self.of) {
            (Some(jwk), None) if self.members.is_empty() => Ok(resolve_value(jwk, now)?),
            (None, Some(signer)) => {
                let mut jwk = instance.public_jwk(signer).ok_or_else(|| {
                    AdminError::bad_request(
                        "this signer has no key: use instance, another_key, small_key or shared_secret",
                    )
                })?;
                if let Some(jwk) = jwk.as_object_mut() {
                    apply_changes(jwk, &resolve_changes(&self.members, now)?);
                }
                Ok(jwk)
            }
            _ => Err(AdminError::bad_request(
                "expected either the member of (optionally with members) or the member jwk",
            )),
        }
    }
}

pub(super) fn rotate(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
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
        "published_keys": published_kids(&keys),
    }))
}

pub(super) fn publish(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let body: PublishBody = body(incoming)?;
    let jwk = body.jwk(instance)?;
    let mut keys = instance.keys.write();
    if body.last {
        keys.publish_last(jwk);
    } else {
        keys.publish_first(jwk);
    }
    Ok(json!({ "published_keys": published_kids(&keys) }))
}

pub(super) fn unpublish(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let kid = incoming.path("kid");
    let mut keys = instance.keys.write();
    if !keys.unpublish(kid) {
        let message = format!("no published key has the id {kid:?}");
        return Err(AdminError::new(StatusCode::NOT_FOUND, message));
    }
    Ok(json!({ "published_keys": published_kids(&keys) }))
}

fn published_kids(keys: &Keyring) -> Vec<&str> {
    keys.published_kids().collect()
}
