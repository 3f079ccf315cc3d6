//! Fuzz targets of token verification. Each takes any bytes, and panics if the code under test breaks a
//! promise.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    AudiencePolicy, BearerError, BearerToken, KeyReference, Recorder, ResourceNames, TokenKind, TokenPolicy,
    VerifiedClaims,
    jose::UnverifiedJwt,
    json::unique_object,
    permissions::{mask_bits, unpack},
};

/// Reads a bearer token from `Authorization` headers, one in each line. A token is returned only from exactly
/// one header, and is the text of that header after the scheme.
pub fn authorization(data: &[u8]) {
    let values: Vec<_> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    let headers: HeaderMap = values
        .iter()
        .map(|value| (AUTHORIZATION, value.clone()))
        .collect();
    match BearerToken::from_headers(&headers) {
        Ok(token) => {
            assert_eq!(values.len(), 1, "more than one header");
            let value = values.first().and_then(|value| value.to_str().ok());
            let (scheme, rest) = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
            assert!(scheme.eq_ignore_ascii_case("bearer"), "another scheme");
            assert_eq!(rest.trim_matches(' '), token.expose());
            assert!(!token.expose().contains([' ', ',', '"']), "not a token68");
        }
        Err(BearerError::Missing) => assert!(values.is_empty()),
        Err(BearerError::OtherScheme | BearerError::Malformed | BearerError::MoreThanOne) => {
            assert!(!values.is_empty());
        }
    }
}

/// Parses a compact JWS. Each JWS has exactly one text: the decoded parts, encoded again, are the input.
pub fn jose(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(jwt) = UnverifiedJwt::parse(text) else {
        return;
    };
    for kind in TokenKind::ALL {
        let all = jwt.check_header(kind, &mut Recorder::record_all());
        assert!(all.is_ok(), "a recorder of every outcome does not stop");
        if jwt
            .check_header(kind, &mut Recorder::stop_at_first_failure())
            .is_ok()
        {
            assert!(jwt.unverified_kid().is_ok_and(|kid| !kid.is_empty()));
        }
    }
    let (input, signature) = jwt.signed();
    assert_eq!(format!("{input}.{signature}"), text);
    let encoded: Vec<_> = text
        .split('.')
        .map(|part| {
            BASE64_URL_SAFE_NO_PAD
                .decode(part)
                .map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes))
        })
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    assert_eq!(encoded.join("."), text);
}

/// Checks claims: a byte for the kind of the token, then the JSON object. Returns the claims that pass, which
/// have an issuer, a subject and a time that a second implementation of the rules accepts.
pub(crate) fn claims(data: &[u8]) -> Option<VerifiedClaims> {
    let (choice, json) = data.split_first()?;
    let kinds = [
        TokenKind::SessionToken,
        TokenKind::OAuthToken,
        TokenKind::M2mToken,
    ];
    let kind = *kinds.get(usize::from(*choice) % kinds.len())?;
    let object = unique_object(json)?;
    let now = Timestamp::from_second(NOW).ok()?;
    let key = KeyReference {
        kid: "ins_fuzz".to_owned(),
        thumbprint: [0; 32],
    };
    let policy = policy()?;
    let mut recorder = Recorder::stop_at_first_failure();
    let verified = VerifiedClaims::check(kind, object.clone(), Ok(key), &policy, now, &mut recorder).ok()?;
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let seconds = |name| object.get(name).and_then(Value::as_i64);
    assert_eq!(text("iss"), ISSUER);
    assert!(text("sub").starts_with(if kind == TokenKind::M2mToken {
        "mch_"
    } else {
        "user_"
    }));
    assert!(kind != TokenKind::SessionToken || text("sid").starts_with("sess_"));
    assert!(seconds("exp").is_some_and(|exp| exp + LEEWAY > NOW));
    assert!(seconds("nbf").is_none_or(|nbf| nbf - LEEWAY <= NOW));
    assert!(seconds("iat").is_none_or(|iat| iat - LEEWAY <= NOW));
    assert_ne!(text("sts"), "pending");
    let names_server = |audience: &Value| {
        audience
            .as_str()
            .is_some_and(|one| policy.resources.contains(one))
    };
    assert!(
        match object.get("aud") {
            Some(Value::Array(all)) => all.iter().any(names_server),
            Some(one) => names_server(one),
            None => kind != TokenKind::OAuthToken,
        } || kind == TokenKind::M2mToken
    );
    Some(verified)
}

/// Unpacks permissions from `fea`, `o.per` and `o.fpm`, one in each line. The result has at most one permission
/// per set bit, and each permission has a feature and a name from the claims.
pub fn permissions(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let [features, names, masks] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let granted = unpack(features, names, masks);
    let bits: usize = masks
        .split(',')
        .map(|mask| mask_bits(mask.trim()).into_iter().filter(|bit| *bit).count())
        .sum();
    assert!(granted.len() <= bits, "more permissions than bits");
    let is_feature = |feature: &str| {
        features.split(',').any(|one| {
            one.trim()
                .split_once(':')
                .is_some_and(|(scope, name)| scope.contains('o') && name == feature)
        })
    };
    for permission in &granted {
        let is_named = names.split(',').any(|name| {
            permission
                .strip_prefix("org:")
                .and_then(|rest| rest.strip_suffix(name.trim())?.strip_suffix(':'))
                .is_some_and(is_feature)
        });
        assert!(is_named, "{permission} is not in the claims");
    }
}

fn policy() -> Option<TokenPolicy> {
    Some(TokenPolicy {
        issuer: ISSUER.to_owned(),
        accepted: TokenKind::ALL.to_vec(),
        audience: AudiencePolicy::Required,
        session_audience: AudiencePolicy::IfPresent,
        resources: ResourceNames::new(&"https://mcp.example.com".parse().ok()?),
        accepted_audiences: Vec::new(),
        authorized_parties: Vec::new(),
        leeway: Duration::from_secs(LEEWAY.unsigned_abs()),
    })
}

/// The seeds contain these values.
const ISSUER: &str = "https://clerk.example.com";
const NOW: i64 = 1_772_366_400;
const LEEWAY: i64 = 5;
