//! The token endpoint: exchanges a code or a refresh token for an access token (RFC 6749 §4.1.3 and §6).

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::SignedDuration;
use poem::{Response, http::StatusCode};
use serde_json::{Value, json};

use super::{
    client_authentication::authenticate,
    error::{ErrorCode, OAuthError},
    form,
};
use crate::{
    http::{incoming::Incoming, parameters::Parameters, respond},
    store::{
        grants::{Client, Code, Grant, Grants, OAUTH_TOKEN_SECONDS, OpaqueToken},
        instance::Instance,
        scope::Scopes,
        settings::AccessTokens,
    },
    tokens::recipes::AccessTokenClaims,
};

/// The length of a code verifier (RFC 7636 §4.1).
const CODE_VERIFIER_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;

/// Answers a token request.
pub(crate) fn token(instance: &Instance, incoming: &Incoming) -> Response {
    match exchange(instance, incoming) {
        Ok(body) => respond::no_store(respond::json(StatusCode::OK, &body)),
        Err(error) => error.into_response(),
    }
}

fn exchange(instance: &Instance, incoming: &Incoming) -> Result<Value, OAuthError> {
    let form = form::parse(incoming, &["resource"])?;
    let grant_type = form
        .get("grant_type")
        .ok_or_else(|| OAuthError::invalid_request("grant_type is missing"))?;
    match grant_type {
        "authorization_code" => redeem(instance, &authenticate(instance, incoming, &form)?, &form),
        "refresh_token" => refresh(instance, &authenticate(instance, incoming, &form)?, &form),
        _ => Err(OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "grant_type must be authorization_code or refresh_token",
        )),
    }
}

fn redeem(instance: &Instance, client: &Client, form: &Parameters) -> Result<Value, OAuthError> {
    let given = form
        .get("code")
        .ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
    let unknown = || OAuthError::invalid_grant("the code is unknown or was issued to another client");
    let now = instance.clock.now();
    let mut grants = instance.grants.lock();
    let code = grants.code(given).cloned().ok_or_else(unknown)?;
    let grant = grants.grant(&code.grant_id).cloned().ok_or_else(unknown)?;
    if grant.client_id != client.id {
        return Err(unknown());
    }
    if code.used {
        // RFC 6749 §4.1.2: a code that is redeemed twice may be stolen, and the first redemption may be the
        // thief's.
        grants.revoke_grant(&code.grant_id);
        return Err(OAuthError::invalid_grant(
            "the code was already redeemed; its grant is now revoked",
        ));
    }
    if now >= code.expires_at {
        return Err(OAuthError::invalid_grant("the code has expired"));
    }
    let same_redirect_uri = match form.get("redirect_uri") {
        Some(redirect_uri) => redirect_uri == code.redirect_uri,
        None => !code.redirect_uri_given,
    };
    if !same_redirect_uri {
        return Err(OAuthError::invalid_grant(
            "redirect_uri differs from the authorization request",
        ));
    }
    check_code_verifier(&code, form.get("code_verifier"))?;
    let resources = resources(instance, &grant, form)?;
    check_user(instance, &grant)?;
    grants.use_code(given);
    issue(
        instance,
        &mut grants,
        &code.grant_id,
        &grant,
        &grant.scopes,
        &resources,
    )
}

fn refresh(instance: &Instance, client: &Client, form: &Parameters) -> Result<Value, OAuthError> {
    let given = form
        .get("refresh_token")
        .ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
    let unknown =
        || OAuthError::invalid_grant("the refresh token is unknown or was issued to another client");
    let mut grants = instance.grants.lock();
    let token = grants.refresh_token(given).cloned().ok_or_else(unknown)?;
    let grant = grants.grant(&token.grant_id).cloned().ok_or_else(unknown)?;
    if grant.client_id != client.id {
        return Err(unknown());
    }
    let now = instance.clock.now();
    let leeway = instance.settings.refresh_leeway;
    if token
        .used_at
        .is_some_and(|used_at| now.duration_since(used_at) >= leeway)
    {
        // RFC 9700 §4.14.2: with rotation, the reuse of a refresh token means that two parties have it.
        grants.revoke_grant(&token.grant_id);
        return Err(OAuthError::invalid_grant(
            "the refresh token was already used; its grant is now revoked",
        ));
    }
    if grant.revoked {
        return Err(OAuthError::invalid_grant("the grant was revoked"));
    }
    let scopes = match form.get("scope").map(Scopes::parse) {
        Some(narrower) if narrower.first_not_in(&grant.scopes).is_some() => {
            return Err(OAuthError::new(
                ErrorCode::InvalidScope,
                format!("scope may contain only the granted scopes: {}", grant.scopes),
            ));
        }
        Some(narrower) if !narrower.is_empty() => narrower,
        Some(_) | None => grant.scopes.clone(),
    };
    let resources = resources(instance, &grant, form)?;
    check_user(instance, &grant)?;
    grants.use_refresh_token(given, now);
    issue(
        instance,
        &mut grants,
        &token.grant_id,
        &grant,
        &scopes,
        &resources,
    )
}

/// Checks the code verifier against the code challenge of the authorization request (RFC 7636 §4.6).
fn check_code_verifier(code: &Code, verifier: Option<&str>) -> Result<(), OAuthError> {
    let (challenge, verifier) = match (&code.challenge, verifier) {
        (Some(challenge), Some(verifier)) => (challenge, verifier),
        (Some(_), None) => return Err(OAuthError::invalid_grant("code_verifier is missing")),
        // RFC 9700 §2.1.1: a verifier without a challenge indicates a PKCE downgrade attack.
        (None, Some(_)) => {
            return Err(OAuthError::invalid_grant(
                "the authorization request had no code_challenge",
            ));
        }
        (None, None) => return Ok(()),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let well_formed = CODE_VERIFIER_LENGTH.contains(&verifier.len()) && verifier.bytes().all(fits);
    let computed = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    if well_formed && verify_slices_are_equal(computed.as_bytes(), challenge.as_bytes()).is_ok() {
        Ok(())
    } else {
        Err(OAuthError::invalid_grant(
            "code_verifier does not match the code_challenge",
        ))
    }
}

/// Returns the resources of the access token (RFC 8707 §2.2): the requested ones, which must have been
/// granted, or all granted ones if none are requested.
fn resources(instance: &Instance, grant: &Grant, form: &Parameters) -> Result<Vec<String>, OAuthError> {
    if instance.ignores_resources() {
        return Ok(Vec::new());
    }
    let requested: Vec<String> = form.all("resource").map(str::to_owned).collect();
    if requested.is_empty() {
        Ok(grant.resources.clone())
    } else if requested
        .iter()
        .all(|resource| grant.resources.contains(resource))
    {
        Ok(requested)
    } else {
        Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            "resource was not part of the authorization request",
        ))
    }
}

fn check_user(instance: &Instance, grant: &Grant) -> Result<(), OAuthError> {
    match instance.directory.read().user_by_id(&grant.user_id) {
        Some(user) if !user.banned => Ok(()),
        Some(_) | None => Err(OAuthError::invalid_grant(
            "the user is banned or no longer exists",
        )),
    }
}

/// Issues the tokens and returns the token response (RFC 6749 §5.1), with an ID token if `openid` was
/// granted.
fn issue(
    instance: &Instance,
    grants: &mut Grants,
    grant_id: &str,
    grant: &Grant,
    scopes: &Scopes,
    resources: &[String],
) -> Result<Value, OAuthError> {
    let now = instance.clock.now();
    let access = AccessTokenClaims {
        user_id: &grant.user_id,
        client_id: &grant.client_id,
        scopes,
        resources,
        organization_id: grant.organization_id.as_deref(),
    };
    let access_token = match instance.settings.access_tokens {
        AccessTokens::Jwt => instance.access_token(&access).mint(),
        AccessTokens::Opaque => {
            let secret = instance.ids.opaque_access_token();
            grants.add_opaque_token(
                secret.clone(),
                OpaqueToken {
                    id: instance.ids.token_id("oat"),
                    grant_id: grant_id.to_owned(),
                    scopes: scopes.clone(),
                    resources: resources.to_vec(),
                    issued_at: now,
                    expires_at: now + SignedDuration::from_secs(OAUTH_TOKEN_SECONDS),
                    revoked: false,
                },
            );
            secret
        }
    };
    let mut body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": OAUTH_TOKEN_SECONDS,
        "refresh_token": grants.issue_refresh_token(grant_id, now, &instance.ids),
        "scope": scopes.to_string(),
    });
    if scopes.contains("openid") {
        let directory = instance.directory.read();
        let user = directory
            .user_by_id(&grant.user_id)
            .ok_or_else(|| OAuthError::invalid_grant("the user is banned or no longer exists"))?;
        let id_token = instance.id_token(user, &access, grant.nonce.as_deref()).mint();
        if let Some(body) = body.as_object_mut() {
            body.insert("id_token".to_owned(), json!(id_token));
        }
    }
    Ok(body)
}
