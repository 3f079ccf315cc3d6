//! Connects to a target that is already running.

use super::{
    clerk_admin::ClerkAdmin,
    error::RunError,
    fixture::Fixture,
    options::{Options, TargetOptions},
    running_target::{RunningTarget, TargetClient},
    values::Values,
};
use crate::{redact::Redactor, wire::Trust};

/// Returns the fixture for a running target, once it has answered a request.
///
/// # Errors
/// [`RunError::Target`], when the target or the local Clerk does not answer.
pub(super) async fn connect(
    options: &Options,
    trust: &Trust,
    redactor: &Redactor,
) -> Result<Fixture, RunError> {
    let TargetOptions::Running {
        mcp_url,
        tokens,
        clerk,
        issuer,
    } = &options.target
    else {
        return Err(RunError::target("there is no target"));
    };
    let profile = &options.profile;
    let mut values = Values::default();
    match mcp_url.path().strip_prefix(&profile.base_path) {
        Some(path) => {
            let origin = mcp_url.as_str().trim_end_matches(mcp_url.path());
            values.add_target_below(origin, &profile.base_path, path);
        }
        None => values.add_mcp_url(mcp_url),
    }
    values.set("key_interval", &profile.key_interval);
    values.set("role_interval", &profile.role_interval);
    if let Some(issuer) = issuer {
        values.set("issuer", issuer.trim_end_matches('/'));
    }
    let mut clerk_admin = None;
    if let Some(url) = clerk {
        let clerk = ClerkAdmin::at(url).map_err(RunError::target)?;
        let state = clerk.state().await;
        let state = state.map_err(|error| RunError::Target(format!("--clerk {url}: {error}")))?;
        values.add_people(&state);
        let frontend_api_url = url.as_str().trim_end_matches('/');
        values.set("issuer", frontend_api_url);
        values.set("frontend_api_url", frontend_api_url);
        clerk_admin = Some(clerk);
    }
    let client = TargetClient::new(&values, trust, options.timeout).map_err(RunError::target)?;
    if let Err(error) = client.probe().await {
        return Err(RunError::Target(format!("{mcp_url} does not answer: {error}")));
    }
    let target = RunningTarget::new(client, None);
    let mut fixture = Fixture::new(profile, values, target, clerk_admin, redactor.clone());
    fixture.tokens.supplied.clone_from(tokens);
    Ok(fixture)
}
