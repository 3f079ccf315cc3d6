//! Every defect of a token: the reason in the log, and a response that does not reveal it.

use clerk_mcp::{
    auth::{AuthError, Authenticator, ChallengeContext},
    clock::Clock,
    token::{
        BearerToken, FetchError, KeyReference, KeySource, StaticKey, TokenError, TokenVerifier, VerifyError,
        VerifyingKey,
    },
};
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use local_clerk::mint::Recipe;
use serde_json::json;

use crate::support::{
    TestServer,
    server::{RESOURCE, foreign_key, signing_key},
    start_time,
    verifier::{names, policy},
};

fn seconds(offset: i64) -> i64 {
    start_time().as_second() + offset
}

/// A key source with the one key of the local Clerk.
#[derive(Debug)]
struct OneKey(StaticKey);

impl KeySource for OneKey {
    fn keys<'a>(&'a self, kid: &'a str) -> BoxFuture<'a, Result<Vec<VerifyingKey>, FetchError>> {
        if kid == signing_key().kid() {
            self.0.keys(kid)
        } else {
            future::ready(Ok(Vec::new())).boxed()
        }
    }

    fn holds(&self, key: &KeyReference) -> bool {
        self.0.holds(key)
    }
}

/// Creates a verifier for tokens of `server`'s Clerk, which returns the reasons.
fn verifier(server: &TestServer) -> TokenVerifier {
    let mut policy = policy();
    server.clerk.issuer().clone_into(&mut policy.issuer);
    let key = StaticKey::from_pem(&signing_key().public_key_pem()).unwrap();
    TokenVerifier::new(OneKey(key), policy, std::sync::Arc::new(server.clock.clone()))
}

/// Creates an authenticator with such a verifier.
fn authenticator(server: &TestServer) -> Authenticator {
    let challenge = ChallengeContext::new(&names(), Vec::new());
    Authenticator::new(verifier(server), None, challenge)
}

/// Returns why `token` is rejected.
async fn rejection(verifier: &TokenVerifier, token: &str) -> TokenError {
    let token: BearerToken = token.parse().unwrap();
    match verifier.verify(&token).await {
        Err(VerifyError::Token(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the token was accepted"),
    }
}

#[tokio::test]
async fn each_defect_has_its_reason_but_all_have_the_same_response() {
    let server = TestServer::spawn().await;
    let verifier = verifier(&server);
    let session = || server.session_token("ada");
    let oauth = || server.oauth_token("ada");
    let key = server.clerk.signing_key();
    let other_issuer = format!("{}.evil.test", server.clerk.issuer());
    let issuer_with_slash = format!("{}/", server.clerk.issuer());
    let claims = oauth().claims_json();
    let defects: Vec<(&str, Recipe, &str)> = vec![
        (
            "alg none, unsigned",
            oauth().header("alg", "none").unsigned(),
            "token-invalid",
        ),
        (
            "alg none, signed",
            oauth().header("alg", "none"),
            "token-invalid-algorithm",
        ),
        (
            "alg in lower case",
            oauth().header("alg", "rs256"),
            "token-invalid-algorithm",
        ),
        ("RS384", oauth().header("alg", "RS384"), "token-invalid-algorithm"),
        (
            "HS256 with the public key",
            oauth()
                .header("alg", "HS256")
                .signed_with_secret(key.public_key_pem().as_bytes()),
            "token-invalid-algorithm",
        ),
        (
            "RS256 header over an HMAC",
            oauth().signed_with_secret(key.public_key_pem().as_bytes()),
            "token-invalid-signature",
        ),
        ("no alg", oauth().without_header("alg"), "token-invalid-algorithm"),
        ("no kid", oauth().without_header("kid"), "jwk-kid-mismatch"),
        ("empty kid", oauth().header("kid", ""), "jwk-kid-mismatch"),
        ("numeric kid", oauth().header("kid", 1), "jwk-kid-mismatch"),
        (
            "unknown kid",
            oauth().header("kid", "ins_unknown"),
            "jwk-kid-mismatch",
        ),
        ("crit", oauth().header("crit", json!(["exp"])), "token-invalid"),
        ("empty crit", oauth().header("crit", json!([])), "token-invalid"),
        (
            "foreign key, our kid",
            oauth().signed_by(&foreign_key()),
            "token-invalid-signature",
        ),
        (
            "foreign key in jwk",
            oauth()
                .header("jwk", foreign_key().jwk())
                .signed_by(&foreign_key()),
            "token-invalid-signature",
        ),
        ("empty signature", oauth().unsigned(), "token-invalid"),
        (
            "short signature",
            oauth().signature(vec![1, 2, 3]),
            "token-invalid-signature",
        ),
        (
            "repeated claim",
            oauth().raw_claims(claims.replacen('{', "{\"sub\":\"user_2evil\",", 1)),
            "token-invalid",
        ),
        ("claims are a list", oauth().raw_claims("[]"), "token-invalid"),
        ("header is not JSON", oauth().raw_header("{"), "token-invalid"),
        (
            "no iss",
            oauth().without_claim("iss"),
            "token-verification-failed",
        ),
        (
            "iss of another application",
            oauth().claim("iss", other_issuer),
            "token-invalid-issuer",
        ),
        (
            "iss with a trailing slash",
            oauth().claim("iss", issuer_with_slash),
            "token-invalid-issuer",
        ),
        (
            "iss as a list",
            oauth().claim("iss", json!([server.clerk.issuer()])),
            "token-verification-failed",
        ),
        (
            "session token with a sid from a template",
            session().claim("sid", "mine"),
            "token-verification-failed",
        ),
        (
            "no sub",
            oauth().without_claim("sub"),
            "token-verification-failed",
        ),
        ("empty sub", oauth().claim("sub", ""), "token-verification-failed"),
        (
            "sub is a client",
            oauth().claim("sub", "client_x"),
            "token-verification-failed",
        ),
        (
            "sub is only the prefix",
            oauth().claim("sub", "user_"),
            "token-verification-failed",
        ),
        (
            "sub is a path",
            oauth().claim("sub", "user_1/../../organizations"),
            "token-verification-failed",
        ),
        (
            "numeric sub",
            oauth().claim("sub", 7),
            "token-verification-failed",
        ),
        (
            "no exp",
            oauth().without_claim("exp"),
            "token-verification-failed",
        ),
        (
            "exp as a string",
            oauth().claim("exp", seconds(60).to_string()),
            "token-verification-failed",
        ),
        (
            "fractional exp",
            oauth().claim("exp", 1e12 + 0.5),
            "token-verification-failed",
        ),
        (
            "exp out of range",
            oauth().claim("exp", i64::MAX),
            "token-verification-failed",
        ),
        (
            "nbf in the future",
            oauth().claim("nbf", seconds(60)),
            "token-not-active-yet",
        ),
        (
            "nbf as a string",
            oauth().claim("nbf", "0"),
            "token-verification-failed",
        ),
        (
            "iat in the future",
            oauth().claim("iat", seconds(60)),
            "token-iat-in-the-future",
        ),
        ("no aud", oauth().without_claim("aud"), "audience-missing"),
        (
            "aud of another server",
            oauth().claim("aud", "https://other.example.com/mcp"),
            "audience-mismatch",
        ),
        (
            "aud below the URL of this server",
            oauth().claim("aud", format!("{RESOURCE}/sub")),
            "audience-mismatch",
        ),
        (
            "aud with a query",
            oauth().claim("aud", format!("{RESOURCE}?utm_source=x")),
            "audience-mismatch",
        ),
        ("empty aud", oauth().claim("aud", json!([])), "audience-missing"),
        (
            "aud with a number",
            oauth().claim("aud", json!([1, RESOURCE])),
            "token-verification-failed",
        ),
        (
            "aud as an object",
            oauth().claim("aud", json!({ "x": RESOURCE })),
            "token-verification-failed",
        ),
        (
            "access token with typ JWT",
            oauth().header("typ", "JWT"),
            "token-verification-failed",
        ),
        (
            "access token with typ AT+JWT",
            oauth().header("typ", "AT+JWT"),
            "token-invalid",
        ),
        (
            "session token with typ at+jwt",
            session().header("typ", "at+jwt"),
            "token-invalid",
        ),
        (
            "session token with typ at+jwt and no class",
            session().header("typ", "at+jwt").without_header("cat"),
            "audience-missing",
        ),
        (
            "session token without typ",
            session().without_header("typ"),
            "token-invalid",
        ),
        (
            "session token without sid",
            session().without_claim("sid"),
            "token-verification-failed",
        ),
        (
            "session token with an empty sid",
            session().claim("sid", ""),
            "token-verification-failed",
        ),
        (
            "session token for another server",
            session().claim("aud", "https://other.example.com"),
            "audience-mismatch",
        ),
        (
            "pending session",
            session().claim("sts", "pending"),
            "session-pending",
        ),
        (
            "unknown session status",
            session().claim("sts", "revoked"),
            "token-verification-failed",
        ),
        (
            "class of JWT templates",
            session().header("cat", "cl_B7d4PD222AAA"),
            "token-invalid",
        ),
        (
            "class of machine tokens",
            session().header("cat", "cl_B7d4PD333AAA"),
            "token-invalid",
        ),
        (
            "template token",
            server.clerk.template_token("ada").unwrap(),
            "token-invalid",
        ),
        (
            "ID token",
            server.clerk.id_token("ada", "client_test", &["openid"]).unwrap(),
            "token-verification-failed",
        ),
        (
            "machine token",
            server.clerk.m2m_token("mch_2test0000000000000000000000"),
            "token-type-mismatch",
        ),
        (
            "access token with the class of session tokens",
            oauth().header("cat", "cl_B7d4PD111AAA"),
            "token-invalid",
        ),
        // The signature is checked first, so that a forger cannot learn what the claims should contain.
        (
            "expired and forged",
            oauth().claim("exp", seconds(-3600)).signed_by(&foreign_key()),
            "token-invalid-signature",
        ),
        (
            "from another issuer and forged",
            oauth().claim("iss", "x").signed_by(&foreign_key()),
            "token-invalid-signature",
        ),
    ];
    let expected = server.with_token("abc").await.text(&[]);
    let authenticator = authenticator(&server);
    for (what, recipe, reason) in defects {
        let token = recipe.mint();
        let error = rejection(&verifier, &token).await;
        assert_eq!(error.reason().as_str(), reason, "{what}");
        // `explain` must come to the same result as a request.
        let explanation = authenticator.explain(&token).await;
        assert_eq!(
            explanation.first_failure(),
            Some(&AuthError::Token(error)),
            "{what}"
        );
        assert!(explanation.session.is_none(), "{what}");
        let answer = server.with_token(&token).await.text(&[]);
        assert_eq!(answer, expected, "{what}");
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(
                !answer.contains(part),
                "{what}: the response contains a part of the token"
            );
        }
    }
    for token in [
        "oat_0123456789abcdef",
        "mt_0123456789abcdef",
        "ak_0123456789abcdef",
        "a.b.c",
        "..",
        "e30.e30.e30",
    ] {
        assert_eq!(server.with_token(token).await.text(&[]), expected, "{token}");
    }
    assert_eq!(
        server.clock.now(),
        start_time(),
        "the test must not move the clock"
    );
}
