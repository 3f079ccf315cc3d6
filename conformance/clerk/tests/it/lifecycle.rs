//! Starting and stopping a local Clerk, and the values its handle returns.

use local_clerk::{Endpoint, LocalClerk, StartError};

use crate::support::{Harness, KEY};

#[tokio::test]
async fn environment_has_the_variables_a_server_needs() {
    let harness = Harness::start().await;
    let clerk = &harness.clerk;
    let port = clerk.domain().strip_prefix("127.0.0.1:").unwrap().to_owned();
    let environment: Vec<(&str, String)> = clerk.environment();
    assert_eq!(
        environment,
        [
            ("CLERK_SECRET_KEY", clerk.secret_key().to_owned()),
            ("CLERK_DOMAIN", format!("127.0.0.1:{port}")),
            ("CLERK_FRONTEND_API_URL", format!("http://127.0.0.1:{port}")),
            ("CLERK_API_URL", format!("http://127.0.0.1:{port}/backend")),
        ]
    );
    assert!(clerk.secret_key().starts_with("sk_test_"));
    let debug = format!("{clerk:?}");
    assert!(!debug.contains(clerk.secret_key()), "{debug}");
}

#[tokio::test]
async fn publishable_key_encodes_the_host() {
    use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
    let harness = Harness::start().await;
    let encoded = harness.clerk.publishable_key().strip_prefix("pk_test_").unwrap();
    let host = String::from_utf8(BASE64_STANDARD_NO_PAD.decode(encoded).unwrap()).unwrap();
    assert_eq!(host, format!("{}$", harness.clerk.domain()));
}

#[tokio::test]
async fn sample_users_have_fixed_ids_and_memberships() {
    let harness = Harness::start().await;
    let lines: Vec<String> = harness
        .clerk
        .sample_users()
        .iter()
        .map(|user| {
            let organizations: Vec<String> = user
                .organizations
                .iter()
                .map(|one| format!("{} {}", one.slug, one.role))
                .collect();
            format!(
                "{} {} {} {} [{}]",
                user.id,
                user.first_name,
                user.last_name,
                user.email,
                organizations.join(", ")
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    user_2sAdaLovelace0000000000000A Ada Lovelace ada@example.com [analytical-engines org:admin, compiler-works org:member, difference-and-sons org:billing_manager]
    user_2sGraceHopper0000000000000G Grace Hopper grace@example.com [compiler-works org:admin]
    user_2sAlanTuring00000000000000T Alan Turing alan@example.com []
    ");
}

#[tokio::test]
async fn start_fails_with_a_port_in_use_or_an_unknown_user() {
    let harness = Harness::start().await;
    let taken = harness.clerk.domain().parse().unwrap();
    let error = LocalClerk::builder()
        .signing_key(KEY.clone())
        .bind(taken)
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::AddressInUse { address } if address == taken),
        "{error}"
    );
    assert!(error.to_string().contains("choose another port"), "{error}");
    let error = LocalClerk::builder()
        .signing_key(KEY.clone())
        .auto_approve("Unknown")
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::AutoApprove(_)), "{error}");
}

#[tokio::test]
async fn stop_frees_the_port() {
    // Another test may take the freed port first, so several ports are tried.
    for _ in 0..10 {
        let harness = Harness::start().await;
        harness.get("/.well-known/jwks.json").await;
        assert_eq!(harness.clerk.request_count(Endpoint::Jwks), 1);
        let domain = harness.clerk.domain().to_owned();
        harness.clerk.stop().await;
        let again = LocalClerk::builder()
            .signing_key(KEY.clone())
            .bind(domain.parse().unwrap())
            .start()
            .await;
        if let Ok(again) = again {
            assert_eq!(again.domain(), domain);
            return;
        }
    }
    panic!("no port could be bound again");
}

#[tokio::test]
async fn instances_have_different_issuers_and_keys() {
    let one = Harness::start().await;
    let two =
        Harness::start_with(|builder| builder.signing_key(KEY.with_kid("ins_2sAnotherInstance000000000")))
            .await;
    assert_ne!(one.clerk.issuer(), two.clerk.issuer());
    assert_ne!(one.clerk.secret_key(), two.clerk.secret_key());
    assert_ne!(one.clerk.instance_id(), two.clerk.instance_id());
}
