//! Makes a token for each sample user of the demo.

use std::fmt::Write as _;

use local_clerk::{DirectoryError, LocalClerk, SampleUser};

use crate::public::DemoUser;

/// Makes a token with `scopes` for each sample user.
pub(super) fn of_sample_users(
    clerk: &LocalClerk,
    scopes: &[String],
    resource: &str,
) -> Result<Vec<DemoUser>, DirectoryError> {
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
) -> Result<DemoUser, DirectoryError> {
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let mut token = clerk.oauth_token(&user.id, CLIENT_ID, &scopes, Some(resource))?;
    let names: Vec<_> = user.organizations.iter().map(|one| one.name.as_str()).collect();
    let mut about = match names.as_slice() {
        [] => "member of no organization".to_owned(),
        several => format!("member of {}", several.join(", ")),
    };
    // As if the user had chosen this organization at sign-in.
    if let Some(organization) = user.organizations.first()
        && scopes.contains(&"user:org:read")
    {
        token = token.claim("org_id", organization.id.as_str());
        let _ = write!(about, "; acts in {} as {}", organization.name, organization.role);
    }
    Ok(DemoUser {
        name: format!("{} {}", user.first_name, user.last_name),
        id: user.id,
        email: user.email,
        about,
        token: token.mint(),
    })
}

/// The `client_id` of the tokens.
pub(super) const CLIENT_ID: &str = "demo";
