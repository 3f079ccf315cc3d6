//! A verifier without a server, for tests that verify thousands of tokens.

use std::{sync::Arc, time::Duration};

use clerk_mcp::{
    clock::ManualClock,
    session::Session,
    token::{
        AudiencePolicy, BearerToken, ResourceNames, StaticKey, TokenKind, TokenPolicy, TokenVerifier,
        VerifyError,
    },
};
use local_clerk::mint::Recipe;
use serde_json::json;

use super::{
    server::{BASE_URL, RESOURCE, signing_key},
    start_time,
};

pub const ISSUER: &str = "https://clerk.example.com";
pub const LEEWAY_SECONDS: i64 = 5;

/// Returns the resource identifiers of the server.
pub fn names() -> ResourceNames {
    ResourceNames::new(&BASE_URL.parse().unwrap())
}

/// Returns the settings that the tokens of this module meet.
pub fn policy() -> TokenPolicy {
    TokenPolicy {
        issuer: ISSUER.to_owned(),
        accepted: vec![TokenKind::SessionToken, TokenKind::OAuthToken],
        audience: AudiencePolicy::Required,
        session_audience: AudiencePolicy::IfPresent,
        resources: names(),
        accepted_audiences: Vec::new(),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(LEEWAY_SECONDS.unsigned_abs()),
    }
}

/// Creates a verifier for tokens signed with the shared key.
pub fn verifier(clock: &ManualClock) -> TokenVerifier {
    TokenVerifier::new(
        StaticKey::from_pem(&signing_key().public_key_pem()).unwrap(),
        policy(),
        Arc::new(clock.clone()),
    )
}

/// Verifies a token and returns its session.
pub fn verify(verifier: &TokenVerifier, token: &str) -> Result<Session, VerifyError> {
    let token: BearerToken = token.parse().expect("a token68");
    // With a static key, verification never waits.
    futures_util::FutureExt::now_or_never(verifier.verify(&token))
        .expect("a static key needs no await")
        .map(Session::from)
}

/// Returns a recipe of a valid session token. The claims are written here, not by the local Clerk.
pub fn session_token() -> Recipe {
    let now = start_time().as_second();
    signed("JWT")
        .claim("sub", "user_2abc")
        .claim("sid", "sess_2abc")
        .claim("iat", now)
        .claim("nbf", now - 10)
        .claim("exp", now + 60)
        .claim("sts", "active")
        .claim("v", 2)
}

/// Returns a recipe of a valid access token.
pub fn access_token() -> Recipe {
    let now = start_time().as_second();
    signed("at+jwt")
        .claim("sub", "user_2abc")
        .claim("aud", json!([RESOURCE]))
        .claim("client_id", "client_2abc")
        .claim("scope", "profile email")
        .claim("iat", now)
        .claim("exp", now + 60)
}

fn signed(typ: &str) -> Recipe {
    Recipe::new()
        .header("alg", "RS256")
        .header("typ", typ)
        .header("kid", signing_key().kid())
        .claim("iss", ISSUER)
        .signed_by(&signing_key())
}
