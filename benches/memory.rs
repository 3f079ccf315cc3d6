//! Resident memory under a million different tokens: `cargo bench --bench memory`. It prints; whoever runs it judges.
//!
//! Forty thousand are good, ten times what the cache of verified tokens holds, and signed one by one before the count
//! begins; the rest are forged, as a stranger would send them.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement for people, not a part of the server"
)]

use std::{fs, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clerk_mcp::{
    auth::{Authenticator, ChallengeContext},
    clock::SystemClock,
    token::{AudiencePolicy, ResourceNames, StaticKey, TokenKind, TokenPolicy, TokenVerifier},
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use local_clerk::mint::{Recipe, SigningKey};

const TOKENS: usize = 1_000_000;
const GOOD: usize = 40_000;

fn main() {
    let key = SigningKey::generate("ins_bench");
    let authenticator = authenticator(&key);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let good: Vec<String> = (0..GOOD).map(|number| token(&key, number)).collect();
    let start = resident();
    println!(
        "{:>9} tokens  {start:>6} KiB  (with {GOOD} good ones prepared)",
        0
    );
    let mut accepted = 0;
    for number in 0..TOKENS {
        let every = TOKENS / GOOD;
        let text = match good.get(number / every) {
            Some(token) if number % every == 0 => token.clone(),
            _ => forged(&good, number),
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::try_from(format!("Bearer {text}")).unwrap(),
        );
        accepted += usize::from(runtime.block_on(authenticator.authenticate(&headers)).is_ok());
        if (number + 1) % (TOKENS / 10) == 0 {
            let now = resident();
            println!(
                "{:>9} tokens  {now:>6} KiB  ({:+} KiB)",
                number + 1,
                now.cast_signed() - start.cast_signed()
            );
        }
    }
    assert_eq!(accepted, GOOD, "the good ones pass, and no other");
}

fn authenticator(key: &SigningKey) -> Authenticator {
    let resources = ResourceNames::new(&"https://mcp.example.com".parse().unwrap());
    let clock = Arc::new(SystemClock);
    let policy = TokenPolicy {
        issuer: "https://clerk.example.com".to_owned(),
        accepted: vec![TokenKind::OAuthToken],
        audience: AudiencePolicy::Required,
        session_audience: AudiencePolicy::IfPresent,
        resources: resources.clone(),
        accepted_audiences: Vec::new(),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(5),
    };
    let static_key = StaticKey::from_pem(&key.public_key_pem()).unwrap();
    let verifier = TokenVerifier::new(static_key, policy, clock.clone());
    Authenticator::new(
        verifier,
        None,
        ChallengeContext::new(&resources, Vec::new()),
        clock,
    )
}

fn token(key: &SigningKey, number: usize) -> String {
    Recipe::new()
        .header("alg", "RS256")
        .header("typ", "at+jwt")
        .header("kid", key.kid())
        .claim("iss", "https://clerk.example.com")
        .claim("sub", "user_2bench")
        .claim("aud", "https://mcp.example.com/mcp")
        .claim("exp", 4_000_000_000_u64)
        .claim("jti", number.to_string())
        .signed_by(key)
        .mint()
}

/// A good token with another signature: as costly to check as a good one.
fn forged(good: &[String], number: usize) -> String {
    let token = good.get(number % good.len()).map_or("", String::as_str);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mut signature = vec![0_u8; 256];
    for (byte, source) in signature.iter_mut().zip(number.to_le_bytes()) {
        *byte = source;
    }
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// `VmRSS` of this process, in KiB; 0 where the system doesn't tell it that way.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
