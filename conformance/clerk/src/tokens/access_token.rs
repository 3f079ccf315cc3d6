//! Finding the OAuth access token that a request presents: for the Backend API's verify endpoint, userinfo,
//! introspection and revocation.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use crate::store::{instance::Instance, scope::Scopes};

/// An OAuth access token issued here, JWT or opaque. Times are Unix times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub(crate) is_jwt: bool,
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) expired: bool,
    pub(crate) revoked: bool,
}

impl AccessToken {
    /// Returns whether the token is neither expired nor revoked.
    pub(crate) fn is_active(&self) -> bool {
        !self.expired && !self.revoked
    }
}

impl Instance {
    /// Finds an access token: an opaque one by its text, a JWT by its signature. Returns `None` if it was not
    /// issued here or is not an access token. The token may be expired or revoked.
    pub(crate) fn find_access_token(&self, token: &str) -> Option<AccessToken> {
        self.find_opaque_token(token).or_else(|| self.read_jwt(token))
    }

    fn find_opaque_token(&self, secret: &str) -> Option<AccessToken> {
        let grants = self.grants.lock();
        let token = grants.opaque_token(secret)?;
        let grant = grants.grant(&token.grant_id)?;
        Some(AccessToken {
            is_jwt: false,
            id: token.id.clone(),
            client_id: grant.client_id.clone(),
            user_id: grant.user_id.clone(),
            organization_id: grant.organization_id.clone(),
            scopes: token.scopes.clone(),
            resources: token.resources.clone(),
            issued_at: token.issued_at.as_second(),
            expires_at: token.expires_at.as_second(),
            expired: token.expires_at <= self.clock.now(),
            revoked: token.revoked || grant.revoked,
        })
    }

    /// Reads an access token JWT after verifying its signature, issuer and `nbf`. A JWT cannot be revoked: it
    /// is valid until it expires or its key is dropped.
    fn read_jwt(&self, token: &str) -> Option<AccessToken> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let header = decode_object(header)?;
        let kid = header.get("kid").and_then(Value::as_str)?;
        if !is_access_token_header(&header) || !self.keys.read().verifies(kid, message.as_bytes(), &signature)
        {
            return None;
        }
        let claims = decode_object(claims)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
        let is_early = claims.get("nbf").is_some_and(|nbf| {
            nbf.as_i64()
                .is_none_or(|nbf| nbf > self.clock.now().as_second() + LEEWAY)
        });
        if text("iss")? != self.issuer || is_early {
            return None;
        }
        let expires_at = seconds("exp")?;
        let resources = match claims.get("aud") {
            Some(Value::String(resource)) => vec![resource.clone()],
            Some(Value::Array(resources)) => resources
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(_) | None => Vec::new(),
        };
        Some(AccessToken {
            is_jwt: true,
            id: text("jti")?,
            client_id: text("client_id")?,
            user_id: text("sub").filter(|user| user.len() > "user_".len() && user.starts_with("user_"))?,
            organization_id: text("org_id"),
            scopes: Scopes::parse(&text("scope").unwrap_or_default()),
            resources,
            issued_at: seconds("iat")?,
            expires_at,
            expired: expires_at <= self.clock.now().as_second(),
            revoked: false,
        })
    }
}

/// Tolerated clock difference, in seconds.
const LEEWAY: i64 = 5;

/// Returns whether this is the JOSE header of an access token. The same key signs every kind of token, so
/// only `typ` distinguishes access tokens (RFC 9068 §4).
fn is_access_token_header(header: &Value) -> bool {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    text("alg") == Some("RS256")
        && matches!(text("typ"), Some("at+jwt" | "application/at+jwt"))
        && header.get("crit").is_none()
}

fn decode_object(encoded: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}
