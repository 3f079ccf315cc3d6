//! Measures resident memory while verifying a million different tokens: `cargo bench --bench memory`. It
//! prints numbers and checks no limit.
//!
//! 40,000 tokens are valid, ten times the capacity of the cache of verified tokens; they are signed before
//! the measurement starts. All others have a forged signature.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that prints its result, not part of the server"
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
const VALID: usize = 40_000;

fn main() {
    let key = SigningKey::generate("ins_bench");
    let authenticator = authenticator(&key);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let valid: Vec<String> = (0..VALID).map(|number| token(&key, number)).collect();
    let start = resident();
    println!(
        "{:>9} tokens  {start:>6} KiB  (with {VALID} valid ones prepared)",
        0
    );
    let mut accepted = 0;
    for number in 0..TOKENS {
        let every = TOKENS / VALID;
        let text = match valid.get(number / every) {
            Some(token) if number % every == 0 => token.clone(),
            _ => forged(&valid, number),
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
    assert_eq!(accepted, VALID, "only the valid tokens are accepted");
}

fn authenticator(key: &SigningKey) -> Authenticator {
    let resources = ResourceNames::new(&"https://mcp.example.com".parse().unwrap());
    let clock = Arc::new(SystemClock);
    let policy = TokenPolicy {
        issuer: "https://clerk.example.com".to_owned(),
        accepted: vec![TokenKind::OAuthToken],
        audience: AudiencePolicy::Required,
        session_audience: AudiencePolicy::IfPresent,
        accepted_audiences: Vec::new(),
        resources: resources.clone(),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(5),
    };
    let static_key = StaticKey::from_pem(&key.public_key_pem()).unwrap();
    let verifier = TokenVerifier::new(static_key, policy, clock);
    Authenticator::new(verifier, None, ChallengeContext::new(&resources, Vec::new()))
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

/// Returns a valid token with a forged signature. Checking it costs as much as checking a valid one.
fn forged(valid: &[String], number: usize) -> String {
    let token = valid.get(number % valid.len()).map_or("", String::as_str);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mut signature = vec![0_u8; 256];
    for (byte, source) in signature.iter_mut().zip(number.to_le_bytes()) {
        *byte = source;
    }
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// Returns `VmRSS` of this process in KiB, or 0 on systems without `/proc`.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
