//! Minted tokens, verified by an implementation that shares no code with the mint.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use local_clerk::{DirectoryError, NewOrganization, NewUser, Role, SessionStatus, mint::SigningKey};
use serde_json::{Map, Value, json};

use crate::support::{ADA, GRACE, Harness, KEY, RESOURCE, START, claims, part, sorted, text};

/// Verifies the signature with the published key that the token's `kid` names. Returns the claims.
#[track_caller]
fn verify(keys: &JwkSet, token: &str) -> Option<Value> {
    let kid = decode_header(token).ok()?.kid?;
    let key = DecodingKey::from_jwk(keys.find(&kid)?).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Value>(token, &key, &validation)
        .ok()
        .map(|token| token.claims)
}

async fn keys(harness: &Harness) -> JwkSet {
    serde_json::from_str(&harness.get("/.well-known/jwks.json").await.body).unwrap()
}

#[tokio::test]
async fn every_token_kind_is_signed_with_the_published_key() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let keys = keys(&harness).await;
    for (recipe, typ, category) in [
        (clerk.session_token(ADA).unwrap(), "JWT", Some("cl_B7d4PD111AAA")),
        (
            clerk.session_token_in(ADA, "compiler-works").unwrap(),
            "JWT",
            Some("cl_B7d4PD111AAA"),
        ),
        (
            clerk.session_token_v1(ADA).unwrap(),
            "JWT",
            Some("cl_B7d4PD111AAA"),
        ),
        (
            clerk.session_token_v1_in(ADA, "compiler-works").unwrap(),
            "JWT",
            Some("cl_B7d4PD111AAA"),
        ),
        (clerk.template_token(ADA).unwrap(), "JWT", Some("cl_B7d4PD222AAA")),
        (clerk.m2m_token("mch_1"), "JWT", Some("cl_B7d4PD333AAA")),
        (
            clerk
                .oauth_token(ADA, "client", &["profile"], Some(RESOURCE))
                .unwrap(),
            "at+jwt",
            None,
        ),
        (clerk.id_token(ADA, "client", &["email"]).unwrap(), "JWT", None),
    ] {
        let token = recipe.mint();
        let header = part(&token, 0);
        assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!(typ)));
        assert_eq!(header.get("cat"), category.map(Value::from).as_ref());
        assert_eq!(header["kid"], clerk.instance_id());
        let claims = verify(&keys, &token).expect("a valid signature");
        assert_eq!(claims["iss"], clerk.issuer());
        assert!(claims["exp"].as_i64().unwrap() > START);

        let other = SigningKey::generate(clerk.instance_id());
        assert!(verify(&keys, &recipe.clone().signed_by(&other).mint()).is_none());
        assert!(verify(&keys, &recipe.clone().unsigned().mint()).is_none());
        let pem = clerk.signing_key().public_key_pem();
        assert!(
            verify(
                &keys,
                &recipe
                    .header("alg", "HS256")
                    .signed_with_secret(pem.as_bytes())
                    .mint()
            )
            .is_none()
        );
    }
}

/// Who signs with a key that is published for it makes tokens that verify by it.
#[tokio::test]
async fn tokens_of_other_keys_verify_once_those_are_published() {
    let harness = Harness::start().await;
    let admin = async |path: &str, body: Value| {
        let url = harness.url(&format!("/admin{path}"));
        let answer = harness.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
        answer.json::<Value>().await.unwrap()
    };
    for (signer, algorithm) in [
        ("another_key", Algorithm::RS256),
        ("shared_secret", Algorithm::HS256),
    ] {
        let kid = format!("ins_{signer}");
        admin("/keys", json!({ "of": signer, "members": { "kid": kid } })).await;
        let header = json!({ "kid": kid, "alg": format!("{algorithm:?}") });
        let recipe = json!({ "kind": "session_token", "sign": signer, "header": header });
        let token = text(&admin("/tokens", recipe).await, "token").to_owned();
        let keys = keys(&harness).await;
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        decode::<Value>(&token, &key, &validation).unwrap();
    }
    let recipe = json!({ "kind": "session_token", "sign": "small_key" });
    let small = admin("/tokens", recipe).await;
    // 128 bytes are 171 characters.
    assert_eq!(text(&small, "token").rsplit('.').next().unwrap().len(), 171);
}

#[tokio::test]
async fn the_pem_is_the_published_key() {
    let harness = Harness::start().await;
    let token = harness.clerk.session_token(ADA).unwrap().mint();
    let pem = harness.clerk.signing_key().public_key_pem();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    decode::<Value>(
        &token,
        &DecodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        &validation,
    )
    .unwrap();
}

#[tokio::test]
async fn tokens_have_the_claims_of_their_kind_and_version() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    for (name, token) in [
        ("session_v2", clerk.session_token(GRACE).unwrap()),
        (
            "session_v2_organization",
            clerk.session_token_in(ADA, "difference-and-sons").unwrap(),
        ),
        ("session_v1", clerk.session_token_v1(GRACE).unwrap()),
        (
            "session_v1_organization",
            clerk.session_token_v1_in(ADA, "difference-and-sons").unwrap(),
        ),
        ("template", clerk.template_token(ADA).unwrap()),
        ("m2m", clerk.m2m_token("mch_1")),
        (
            "oauth",
            clerk
                .oauth_token(ADA, "client", &["profile", "email"], Some(RESOURCE))
                .unwrap(),
        ),
        (
            "id",
            clerk.id_token(ADA, "client", &["profile", "email"]).unwrap(),
        ),
    ] {
        sorted().bind(|| {
            insta::assert_json_snapshot!(name, claims(&token.mint()), {
                ".iss" => "[issuer]",
                ".jti" => insta::dynamic_redaction(|value, _| {
                    let jti = value.as_str().unwrap();
                    let id = jti.trim_start_matches("oat_").trim_start_matches("mt_");
                    assert!([16, 20, 27].contains(&id.len()), "{jti}");
                    "[id]"
                }),
                ".sid" => insta::dynamic_redaction(|value, _| {
                    assert_eq!(value.as_str().unwrap().len(), "sess_".len() + 27);
                    "[session]"
                }),
            });
        });
    }
}

/// Decodes the permissions in `fea`, `o.per` and `o.fpm` in the simplest way.
fn decode_permissions(claims: &Value) -> Vec<String> {
    let list = |text: &Value| -> Vec<String> {
        text.as_str()
            .unwrap_or_default()
            .split(',')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let features = list(&claims["fea"]);
    let features = features.iter().filter_map(|entry| entry.strip_prefix("o:"));
    let actions = list(&claims["o"]["per"]);
    let mut permissions = Vec::new();
    for (feature, mask) in features.zip(list(&claims["o"]["fpm"])) {
        let mask: u128 = mask.parse().unwrap();
        for (bit, action) in actions.iter().enumerate() {
            if mask >> bit & 1 == 1 {
                permissions.push(format!("org:{feature}:{action}"));
            }
        }
    }
    permissions.sort();
    permissions
}

#[tokio::test]
async fn session_token_versions_have_equivalent_claims() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let many: Vec<String> = (0..100)
        .map(|index| format!("org:archive:action_{index}"))
        .collect();
    clerk
        .add_role(Role {
            key: "org:archivist".to_owned(),
            name: "Archivist".to_owned(),
            permissions: many,
        })
        .unwrap();
    clerk
        .add_organization(NewOrganization {
            name: "Archive".to_owned(),
            ..Default::default()
        })
        .unwrap();
    clerk.add_membership(ADA, "archive", "org:archivist").unwrap();
    for organization in [
        "analytical-engines",
        "compiler-works",
        "difference-and-sons",
        "archive",
    ] {
        let v1 = claims(&clerk.session_token_v1_in(ADA, organization).unwrap().mint());
        let v2 = claims(&clerk.session_token_in(ADA, organization).unwrap().mint());
        for claim in ["iss", "sub", "sid", "azp", "iat", "nbf", "exp", "sts", "fva"] {
            assert_eq!(v1[claim], v2[claim], "{claim}");
        }
        assert_eq!(v1["org_id"], v2["o"]["id"]);
        assert_eq!(v1["org_slug"], v2["o"]["slg"]);
        assert_eq!(
            v1["org_role"],
            format!("org:{}", v2["o"]["rol"].as_str().unwrap())
        );
        let mut permissions: Vec<&str> = v1["org_permissions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap())
            .collect();
        permissions.sort_unstable();
        assert!(!permissions.is_empty() && permissions.iter().all(|one| !one.contains(":sys_")));
        assert_eq!(permissions, decode_permissions(&v2));
        assert!((v1.get("v"), v1.get("o"), v2.get("org_id")) == (None, None, None));
    }
}

#[tokio::test]
async fn users_are_found_by_id_email_address_or_first_name() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let id = |selector: &str| {
        clerk
            .session_token(selector)
            .map(|recipe| recipe.claim_value("sub").cloned())
    };
    for selector in [ADA, "ada@example.com", "ADA@example.com", "ada"] {
        assert_eq!(id(selector), Ok(Some(json!(ADA))));
    }
    assert_eq!(
        id("Unknown"),
        Err(DirectoryError::UnknownUser("Unknown".to_owned()))
    );
    clerk
        .add_user(NewUser {
            first_name: Some("Ada".to_owned()),
            ..Default::default()
        })
        .unwrap();
    assert_eq!(id("Ada"), Err(DirectoryError::AmbiguousUser("Ada".to_owned())));
    assert_eq!(
        clerk.session_token_in("Grace", "analytical-engines").unwrap_err(),
        DirectoryError::NotAMember {
            user_id: GRACE.to_owned(),
            organization_id: "org_2sAnalyticalEngines000000AE".to_owned()
        }
    );
    assert!(matches!(
        clerk.session_token_in("Grace", "nowhere"),
        Err(DirectoryError::UnknownOrganization(_))
    ));
    assert!(matches!(
        clerk.add_membership(GRACE, "compiler-works", "org:admin"),
        Err(DirectoryError::Taken(_))
    ));
    assert!(matches!(
        clerk.add_membership(GRACE, "archive", "org:owner"),
        Err(DirectoryError::UnknownRole(_))
    ));
    for (key, permission) in [
        ("admin", "org:a:b"),
        ("org:x", "a:b"),
        ("org:x", "org:a,b:c"),
        ("org:x", "org:a:b:c"),
    ] {
        let role = Role {
            key: key.to_owned(),
            name: String::new(),
            permissions: vec![permission.to_owned()],
        };
        assert!(
            matches!(clerk.add_role(role), Err(DirectoryError::Malformed(..))),
            "{key} {permission}"
        );
    }
}

#[tokio::test]
async fn rotated_key_replaces_the_old_key() {
    let harness = Harness::start().await;
    let before = harness.clerk.session_token(ADA).unwrap().mint();
    harness
        .clerk
        .rotate_key(KEY.with_kid("ins_2sTheNextKey00000000000000"));
    let after = harness.clerk.session_token(ADA).unwrap().mint();
    let keys = keys(&harness).await;
    assert!(verify(&keys, &before).is_none());
    assert!(verify(&keys, &after).is_some());
    assert_eq!(harness.clerk.instance_id(), KEY.kid());
    let kids: Vec<Value> = harness.backend("/v1/jwks").await.json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].clone())
        .collect();
    assert_eq!(kids, ["ins_2sTheNextKey00000000000000"]);
}

#[tokio::test]
async fn impersonation_and_pending_status_show_in_token_and_session() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let session_of = async |token: &str| {
        let id = claims(token)["sid"].as_str().unwrap().to_owned();
        harness.backend(&format!("/v1/sessions/{id}")).await.json()
    };
    let token = clerk.impersonation_token(ADA, "Grace").unwrap().mint();
    assert_eq!(
        (&claims(&token)["sub"], &claims(&token)["act"]["sub"]),
        (&json!(ADA), &json!(GRACE))
    );
    assert_eq!(claims(&token)["act"]["iss"], "https://dashboard.clerk.com");
    let session = session_of(&token).await;
    assert_eq!(
        (&session["user_id"], &session["actor"]["sub"]),
        (&json!(ADA), &json!(GRACE))
    );
    // The second token belongs to the same session.
    let again = clerk.impersonation_token(ADA, GRACE).unwrap().mint();
    assert_eq!(claims(&again)["sid"], claims(&token)["sid"]);
    assert_ne!(claims(&again)["jti"], claims(&token)["jti"]);

    let token = clerk.pending_session_token(ADA).unwrap().mint();
    assert_eq!(claims(&token)["sts"], "pending");
    assert_eq!(session_of(&token).await["status"], "pending");

    let token = clerk.session_token(ADA).unwrap().mint();
    assert_eq!(claims(&token)["sts"], "active");
    assert!(claims(&token).get("act").is_none());
    let id = claims(&token)["sid"].as_str().unwrap().to_owned();
    clerk.set_session_status(&id, SessionStatus::Revoked).unwrap();
    assert_eq!(session_of(&token).await["status"], "revoked");
    assert_eq!(
        clerk.set_session_status("sess_x", SessionStatus::Ended),
        Err(DirectoryError::UnknownSession("sess_x".to_owned()))
    );
}

#[tokio::test]
async fn single_claims_and_header_members_can_be_changed() {
    let harness = Harness::start().await;
    let recipe = harness.clerk.session_token(ADA).unwrap();
    let changed = recipe
        .clone()
        .claim("exp", "tomorrow")
        .without_claim("sub")
        .without_header("typ")
        .mint();
    assert_eq!(claims(&changed)["exp"], "tomorrow");
    assert!(claims(&changed).get("sub").is_none());
    assert!(part(&changed, 0).get("typ").is_none());
    let members: Map<String, Value> = serde_json::from_str(&recipe.claims_json()).unwrap();
    assert_eq!(members["sub"], ADA);
}
