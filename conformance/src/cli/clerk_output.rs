//! The output of `clerk`, as text and as JSON.

use std::path::Path;

use local_clerk::{LocalClerk, SampleUser};
use serde_json::{Map, Value, json};

/// Returns the description of a local Clerk for people. `saved` is the file with the certificate of the
/// authority.
pub(super) fn text(clerk: &LocalClerk, saved: Option<&Path>) -> anyhow::Result<String> {
    let mut lines = vec![
        format!("Local Clerk on {}", clerk.frontend_api_url()),
        String::new(),
        "Environment variables for the server under test (.env):".to_owned(),
    ];
    lines.extend(
        environment(clerk, saved)
            .into_iter()
            .map(|(name, value)| format!("  {name}={value}")),
    );
    if clerk.authority().is_some() && saved.is_none() {
        lines.push(
            "The certificate comes from a temporary authority. To let clients trust it, use --save-authority FILE."
                .to_owned(),
        );
    }
    lines.extend([String::new(), "Users:".to_owned()]);
    let users = clerk.sample_users();
    for user in &users {
        lines.push(format!(
            "  {} {} <{}>  {}",
            user.first_name, user.last_name, user.email, user.id
        ));
        for organization in &user.organizations {
            lines.push(format!("      {} as {}", organization.name, organization.role));
        }
        if user.organizations.is_empty() {
            lines.push("      no organization".to_owned());
        }
    }
    if let Some(user) = users.first() {
        lines.extend([
            String::new(),
            format!("Session token for {} (valid for 60 s):", user.first_name),
            format!("  {}", clerk.session_token(&user.id)?.mint()),
        ]);
    }
    lines.extend([
        String::new(),
        "Metadata for OAuth clients:".to_owned(),
        format!("  {}/.well-known/oauth-authorization-server", clerk.issuer()),
        "Admin API (faults, keys, tokens, request log):".to_owned(),
        format!("  {}", clerk.admin_url()),
        String::new(),
        "Press Ctrl-C to stop.".to_owned(),
    ]);
    Ok(lines.join("\n"))
}

/// Returns the description of a local Clerk as one line of JSON.
pub(super) fn json(clerk: &LocalClerk, saved: Option<&Path>) -> anyhow::Result<String> {
    let environment: Map<String, Value> = environment(clerk, saved)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let users = clerk
        .sample_users()
        .iter()
        .map(|user| user_json(clerk, user))
        .collect::<anyhow::Result<Vec<Value>>>()?;
    Ok(json!({
        "frontendApiUrl": clerk.frontend_api_url(),
        "backendApiUrl": clerk.backend_api_url(),
        "publishableKey": clerk.publishable_key(),
        "instanceId": clerk.instance_id(),
        "adminUrl": clerk.admin_url(),
        "environment": environment,
        "users": users,
    })
    .to_string())
}

/// Returns the environment variables for the server, including the authority to trust.
fn environment(clerk: &LocalClerk, saved: Option<&Path>) -> Vec<(&'static str, String)> {
    let mut environment = clerk.environment();
    if let Some(path) = saved {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        environment.push(("CLERK_CA_FILE", path.display().to_string()));
    }
    environment
}

fn user_json(clerk: &LocalClerk, user: &SampleUser) -> anyhow::Result<Value> {
    let organizations: Vec<Value> = user
        .organizations
        .iter()
        .map(|organization| {
            json!({
                "id": organization.id,
                "slug": organization.slug,
                "name": organization.name,
                "role": organization.role,
            })
        })
        .collect();
    Ok(json!({
        "id": user.id,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.email,
        "organizations": organizations,
        "sessionToken": clerk.session_token(&user.id)?.mint(),
    }))
}
