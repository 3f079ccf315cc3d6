//! The tokens of a demo: one per sample user, and some with a defect.

use local_clerk::{LocalClerk, SampleUser, mint::SigningKey};
use serde_json::Value;

use super::DemoError;
use crate::{
    app::authenticator,
    config::Config,
    public::{BrokenToken, BrokenTokenCheck, DemoUser},
    token::ResourceNames,
};

/// Makes a token with `scopes` for each sample user.
pub(super) fn of_sample_users(
    clerk: &LocalClerk,
    scopes: &[String],
    resource: &str,
) -> Result<Vec<DemoUser>, DemoError> {
    let users = clerk.sample_users().into_iter();
    users
        .map(|user| demo_user(clerk, scopes, resource, user))
        .collect()
}

fn demo_user(
    clerk: &LocalClerk,
    scopes: &[String],
    resource: &str,
    user: SampleUser,
) -> Result<DemoUser, DemoError> {
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let token = clerk
        .oauth_token(&user.id, CLIENT_ID, &scopes, Some(resource))?
        .mint();
    let organizations: Vec<_> = user.organizations.iter().map(|one| one.name.as_str()).collect();
    let about = match organizations.as_slice() {
        [] => "member of no organization".to_owned(),
        several => format!("member of {}", several.join(", ")),
    };
    Ok(DemoUser {
        name: format!("{} {}", user.first_name, user.last_name),
        id: user.id,
        email: user.email,
        about,
        token,
    })
}

/// Makes tokens with one defect each, and lists what `explain` shows about them.
pub(super) async fn broken(clerk: &LocalClerk, config: &Config) -> Result<Vec<BrokenToken>, DemoError> {
    let names = ResourceNames::new(&config.base_url);
    let Some(user) = clerk.sample_users().into_iter().next() else {
        return Ok(Vec::new());
    };
    let valid = || clerk.oauth_token(&user.id, CLIENT_ID, &["profile"], Some(names.mcp()));
    let header: Value = serde_json::from_str(&valid()?.header_json()).unwrap_or_default();
    let key_id = header.get("kid").and_then(Value::as_str).unwrap_or_default();
    let (authenticator, _) = authenticator(config)?;
    let mut tokens = Vec::new();
    for (name, recipe) in [
        ("Expired", valid()?.claim("exp", 1_700_000_000)),
        (
            "For another server",
            valid()?.claim("aud", "https://other.example.com/mcp"),
        ),
        (
            "Without signature (alg: none)",
            valid()?.header("alg", "none").unsigned(),
        ),
        (
            "Signed by another key",
            valid()?.signed_by(&SigningKey::generate(key_id)),
        ),
        (
            "From another issuer",
            valid()?.claim("iss", "https://clerk.example.com"),
        ),
    ] {
        let token = recipe.mint();
        let explanation = authenticator.explain(&token).await;
        let reason = explanation
            .first_failure()
            .map_or("none", |error| error.reason().as_str());
        let checks = explanation.checks.iter().map(|result| BrokenTokenCheck {
            name: result.check.as_str(),
            outcome: result.outcome.as_str(),
            text: result
                .outcome
                .detail()
                .unwrap_or_else(|| result.check.demand().to_owned()),
        });
        tokens.push(BrokenToken {
            name,
            checks: checks.collect(),
            reason,
            token,
        });
    }
    Ok(tokens)
}

/// The `client_id` of the tokens.
const CLIENT_ID: &str = "demo";
