//! A verifier without a server, for what is tried thousands of times.

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

/// The server's names.
pub fn names() -> ResourceNames {
    ResourceNames::new(&BASE_URL.parse().unwrap())
}

/// What the tokens here keep to.
pub fn policy() -> TokenPolicy {
    TokenPolicy {
        issuer: ISSUER.to_owned(),
        accepted: vec![TokenKind::SessionToken, TokenKind::OAuthToken],
        audience: AudiencePolicy::Required,
        resources: names(),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(LEEWAY_SECONDS.unsigned_abs()),
    }
}

/// A verifier of tokens signed by the shared key.
pub fn verifier(clock: &ManualClock) -> TokenVerifier<StaticKey> {
    TokenVerifier::new(
        StaticKey::from_pem(&signing_key().public_key_pem()).unwrap(),
        policy(),
        Arc::new(clock.clone()),
    )
}

/// What a token leads to.
pub fn verify(verifier: &TokenVerifier<StaticKey>, token: &str) -> Result<Session, VerifyError> {
    let token: BearerToken = token.parse().expect("a token68");
    // With a fixed key nothing is waited for.
    futures_util::FutureExt::now_or_never(verifier.verify(&token))
        .expect("no waiting")
        .map(Session::from)
}

/// A right session token, of claims written here and not by the local Clerk.
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

/// A right access token.
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
