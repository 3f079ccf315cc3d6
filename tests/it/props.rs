//! Property tests of token verification.

use clerk_mcp::{clock::ManualClock, token::BearerToken};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{
    start_time,
    verifier::{LEEWAY_SECONDS, access_token, session_token, verifier, verify},
};

proptest! {
    #[test]
    fn arbitrary_authorization_bytes_are_rejected_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        try_header(&bytes)?;
    }

    #[test]
    fn arbitrary_bearer_tokens_are_rejected(text in "(?i:bearer) {1,3}[A-Za-z0-9._~+/=-]{0,200}") {
        try_header(text.as_bytes())?;
    }

    #[test]
    fn arbitrary_three_part_tokens_are_rejected(header in ".{0,60}", claims in ".{0,60}", signature in "[A-Za-z0-9_-]{0,40}") {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let token = format!("{}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims));
        try_header(format!("Bearer {token}").as_bytes())?;
    }

    /// Strict base64url and JSON allow exactly one text for each token.
    #[test]
    fn changing_any_character_of_a_valid_token_makes_it_invalid(position in any::<prop::sample::Index>(), with in "[ -~]") {
        let verifier = verifier(&ManualClock::at(start_time()));
        let token = access_token().mint();
        prop_assert!(verify(&verifier, &token).is_ok());
        let position = position.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(position..=position, &with);
        prop_assume!(changed != token);
        // Text that is no longer a token68 is rejected before verification.
        if changed.parse::<BearerToken>().is_ok() {
            prop_assert!(verify(&verifier, &changed).is_err(), "{position} {with:?}");
        }
    }

    #[test]
    fn adding_to_a_valid_token_makes_it_invalid(before in "[A-Za-z0-9._=-]{0,3}", after in "[A-Za-z0-9._=-]{0,3}") {
        prop_assume!(!before.is_empty() || !after.is_empty());
        let verifier = verifier(&ManualClock::at(start_time()));
        let changed = format!("{before}{}{after}", access_token().mint());
        if changed.parse::<BearerToken>().is_ok() {
            prop_assert!(verify(&verifier, &changed).is_err());
        }
    }

    #[test]
    fn tokens_are_accepted_exactly_within_the_time_bounds(lifetime in 1_i64..1_000_000, begins in -1_000_000_i64..0, leeway_ms in -3_000_i64..3_000) {
        let start = start_time();
        let (not_before, expires) = (start.as_second() + begins, start.as_second() + lifetime);
        let token = access_token().claim("nbf", not_before).without_claim("iat").claim("exp", expires).mint();
        let clock = ManualClock::at(start);
        let verifier = verifier(&clock);
        for (bound_ms, accepted_after) in [
            ((expires + LEEWAY_SECONDS) * 1000, false),
            ((not_before - LEEWAY_SECONDS) * 1000, true),
        ] {
            clock.set(Timestamp::from_millisecond(bound_ms + leeway_ms).unwrap());
            // The token is invalid at exp + leeway, and valid at nbf - leeway.
            let expected = if leeway_ms >= 0 { accepted_after } else { !accepted_after };
            prop_assert_eq!(verify(&verifier, &token).is_ok(), expected, "{} ms from {}", leeway_ms, bound_ms);
        }
    }

    #[test]
    fn v1_and_v2_claims_of_one_membership_give_the_same_session(
        slug in proptest::option::of("[a-z][a-z0-9-]{0,12}"),
        role in "[a-z_]{1,12}",
        features in proptest::collection::btree_map("[a-z]{1,6}", proptest::collection::btree_set("[a-z]{1,6}", 0..5), 0..5),
    ) {
        // v2 packs the permissions into one list of names and a mask for each feature; v1 lists them.
        let names: Vec<&str> = features.values().flatten().map(String::as_str).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let granted: Vec<String> = features
            .iter()
            .flat_map(|(feature, own)| names.iter().filter(|name| own.contains(**name)).map(move |name| format!("org:{feature}:{name}")))
            .collect();
        let masks: Vec<String> = features
            .values()
            .map(|own| names.iter().enumerate().filter(|(_, name)| own.contains(**name)).map(|(bit, _)| 1_u64 << bit).sum::<u64>().to_string())
            .collect();
        let packed: Vec<String> = features.keys().map(|feature| format!("o:{feature}")).collect();
        let mut organization = json!({ "id": "org_2abc", "rol": role, "per": names.join(","), "fpm": masks.join(",") });
        if let Some(slug) = &slug {
            organization["slg"] = json!(slug);
        }
        let v2 = session_token().claim("o", organization).claim("fea", packed.join(","));
        let mut v1 = session_token()
            .without_claim("v")
            .claim("org_id", "org_2abc")
            .claim("org_role", format!("org:{role}"))
            .claim("org_permissions", json!(granted));
        if let Some(slug) = &slug {
            v1 = v1.claim("org_slug", slug.as_str());
        }
        let verifier = verifier(&ManualClock::at(start_time()));
        let mut sessions = [v1, v2].map(|recipe| verify(&verifier, &recipe.mint()).unwrap());
        prop_assert_eq!(&sessions[0].organization_permissions, &granted);
        for session in &mut sessions {
            session.claims.clear();
        }
        prop_assert_eq!(&sessions[0], &sessions[1]);
    }

    /// Malformed organization claims never cause a panic and never grant a permission.
    #[test]
    fn malformed_organization_claims_grant_nothing(value in json_value(), member in "id|slg|rol|per|fpm") {
        let verifier = verifier(&ManualClock::at(start_time()));
        let mut organization = json!({ "id": "org_2abc", "rol": "admin", "per": "read", "fpm": "1" });
        organization[member.as_str()] = value.clone();
        let token = session_token().claim("o", organization).claim("fea", "o:things");
        let session = verify(&verifier, &token.mint()).unwrap();
        if member == "id" && !value.is_string() {
            prop_assert_eq!(&session.organization_id, &None);
            prop_assert!(session.organization_permissions.is_empty() && session.organization_role.is_none());
        }
        let token = session_token().claim("o", value);
        let session = verify(&verifier, &token.mint()).unwrap();
        prop_assert!(session.organization_permissions.is_empty());
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        ".{0,20}".prop_map(|value| json!(value)),
        proptest::collection::vec(".{0,5}", 0..3).prop_map(|value| json!(value)),
        Just(json!({ "id": 1 })),
    ]
}

/// Asserts that `value`, as an `Authorization` header, contains no token that verifies.
fn try_header(value: &[u8]) -> Result<(), TestCaseError> {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return Ok(());
    };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    if let Ok(token) = BearerToken::from_headers(&headers) {
        let verifier = verifier(&ManualClock::at(start_time()));
        let outcome = futures_util::FutureExt::now_or_never(verifier.verify(&token))
            .expect("a static key needs no await");
        prop_assert!(outcome.is_err());
    }
    Ok(())
}
