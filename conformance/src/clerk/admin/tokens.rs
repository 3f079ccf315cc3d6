//! Tokens for whoever cannot call the library.

use jiff::SignedDuration;
use poem::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{AdminError, body};
use crate::{
    clerk::{
        Credential, NewCredential, credentials::End, incoming::Incoming, people::SessionStatus,
        scope::Scopes, state::Instance,
    },
    mint::Recipe,
};

/// What kind of token, and what it is to say. Which members a kind needs is checked when it is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MintBody {
    kind: Kind,
    user: Option<String>,
    actor: Option<String>,
    organization: Option<String>,
    version: Option<u8>,
    client_id: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    resource: Option<String>,
    machine: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    name: String,
    expires_in_seconds: Option<u32>,
    /// Members of the JOSE header to set, or with null to remove.
    #[serde(default)]
    header: Map<String, Value>,
    /// The same for claims; all custom claims of what is no JWT.
    #[serde(default)]
    claims: Map<String, Value>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    SessionToken,
    PendingSessionToken,
    ImpersonationToken,
    TemplateToken,
    OauthToken,
    IdToken,
    M2mToken,
    OpaqueM2mToken,
    ApiKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    token: String,
}

pub(super) fn mint(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let body: MintBody = body(incoming)?;
    let recipe = match body.kind {
        Kind::SessionToken => session_token(instance, &body)?,
        Kind::PendingSessionToken => instance.token_for(
            required("user", body.user.as_deref())?,
            SessionStatus::Pending,
            None,
        )?,
        Kind::ImpersonationToken => {
            let actor = required("actor", body.actor.as_deref())?;
            instance.token_for(
                required("user", body.user.as_deref())?,
                SessionStatus::Active,
                Some(actor),
            )?
        }
        Kind::TemplateToken => instance.template_token(required("user", body.user.as_deref())?)?,
        Kind::OauthToken => {
            let (user, client_id) = (
                required("user", body.user.as_deref())?,
                required("client_id", body.client_id.as_deref())?,
            );
            instance.oauth_token(user, client_id, &scopes(&body), body.resource.as_deref())?
        }
        Kind::IdToken => {
            let (user, client_id) = (
                required("user", body.user.as_deref())?,
                required("client_id", body.client_id.as_deref())?,
            );
            instance.id_token_for(user, client_id, &scopes(&body))?
        }
        Kind::M2mToken => instance.m2m_token(required("machine", body.machine.as_deref())?),
        Kind::OpaqueM2mToken => {
            let machine = required("machine", body.machine.as_deref())?.to_owned();
            return Ok(view(&instance.opaque_m2m_token(&machine, body.into())?));
        }
        Kind::ApiKey => {
            let subject = required("subject", body.subject.as_deref())?.to_owned();
            return Ok(view(&instance.api_key(&subject, body.into())?));
        }
    };
    Ok(json!({ "token": changed(recipe, body.header, body.claims).mint() }))
}

fn session_token(instance: &Instance, body: &MintBody) -> Result<Recipe, AdminError> {
    let user = required("user", body.user.as_deref())?;
    let recipe = match (body.version, &body.organization) {
        (None | Some(2), None) => instance.session_token(user),
        (None | Some(2), Some(organization)) => instance.session_token_in(user, organization),
        (Some(1), None) => instance.session_token_v1(user),
        (Some(1), Some(organization)) => instance.session_token_v1_in(user, organization),
        (Some(_), _) => {
            return Err(AdminError::new(StatusCode::BAD_REQUEST, "version must be 1 or 2"));
        }
    };
    Ok(recipe?)
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, AdminError> {
    value.ok_or_else(|| {
        let message = format!("tokens of this kind need the member {name:?}");
        AdminError::new(StatusCode::BAD_REQUEST, message)
    })
}

fn scopes(body: &MintBody) -> Scopes {
    body.scopes.iter().map(String::as_str).collect()
}

fn changed(mut recipe: Recipe, header: Map<String, Value>, claims: Map<String, Value>) -> Recipe {
    for (name, value) in header {
        recipe = if value.is_null() {
            recipe.without_header(&name)
        } else {
            recipe.header(&name, value)
        };
    }
    for (name, value) in claims {
        recipe = if value.is_null() {
            recipe.without_claim(&name)
        } else {
            recipe.claim(&name, value)
        };
    }
    recipe
}

pub(super) fn revoke(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let TokenBody { token } = body(incoming)?;
    instance.end_token(&token, End::Revoke)?;
    Ok(json!({}))
}

pub(super) fn expire(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let TokenBody { token } = body(incoming)?;
    instance.end_token(&token, End::Expire)?;
    Ok(json!({}))
}

impl From<MintBody> for NewCredential {
    fn from(body: MintBody) -> Self {
        Self {
            name: body.name,
            scopes: body.scopes,
            claims: (!body.claims.is_empty()).then_some(Value::Object(body.claims)),
            expires_in: body
                .expires_in_seconds
                .map(|seconds| SignedDuration::from_secs(seconds.into())),
        }
    }
}

fn view(credential: &Credential) -> Value {
    json!({ "id": credential.id, "token": credential.secret, "subject": credential.subject })
}
