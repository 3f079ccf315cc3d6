//! What a run would send, without running: for `explain` and `mint`.

use local_clerk::mint::TokenSpec;
use url::Url;

use super::{
    controls::Control,
    request::compose,
    tokens::complete,
    values::{UnknownPlaceholder, Values},
};
use crate::{case::Step, profile::Profile};

/// Fills in the placeholders of a recipe for a target at `mcp_url` whose tokens `issuer` issues.
///
/// # Errors
/// A sentence, when the recipe has a placeholder without a value.
pub fn recipe_for(spec: &TokenSpec, mcp_url: Option<&Url>, issuer: &str) -> Result<TokenSpec, String> {
    let mut values = Values::default();
    values.set("issuer", issuer);
    if let Some(url) = mcp_url {
        values.add_mcp_url(url);
    }
    values.fill_in(spec).map_err(|UnknownPlaceholder(name)| {
        let remedy = if Values::without_target("/mcp").get(&name).is_some() {
            "give --url, the MCP endpoint that the token is for"
        } else {
            "it has a value only during a run, so write the value instead"
        };
        format!("the recipe contains {{{name}}}: {remedy}")
    })
}

/// Returns a step as it is for a target of this profile. Placeholders for values of a run stay.
pub(crate) fn step_for(step: &Step, profile: &Profile) -> Step {
    let mut values = Values::without_target(&profile.mcp_path);
    values.fill_known(step).unwrap_or_else(|_| step.clone())
}

/// Returns the request of such a step as it would be sent.
///
/// # Errors
/// A sentence, when HTTP cannot express the request.
pub(crate) fn request_as_text(step: &Step, profile: &Profile) -> Result<String, String> {
    let values = Values::without_target(&profile.mcp_path);
    let has_token = step.token.is_some() || step.token_of_step.is_some();
    let request = compose(step, has_token.then_some("{token}"), None, &values)?;
    Ok(request.as_text())
}

/// Returns the recipe of a step's token for a target of this profile. Placeholders for values of a run stay.
pub(crate) fn token_for(spec: &TokenSpec, profile: &Profile) -> TokenSpec {
    complete(spec, profile, |_| false, Some(profile.resource.clone())).unwrap_or_else(|_| spec.clone())
}

/// Returns the control of a step for a target of this profile.
pub(crate) fn control_for(step: &Step, profile: &Profile) -> Option<Control> {
    let completed = complete(step.token.as_ref()?, profile, |_| false, None).ok();
    let mut control = Control::of(step, completed.map(|spec| spec.kind), profile)?;
    control.spec = token_for(&control.spec, profile);
    Some(control)
}
