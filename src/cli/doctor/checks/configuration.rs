//! Checks of the configuration alone.

use secrecy::ExposeSecret;

use super::super::diagnosis::Diagnosis;
use crate::{config::Config, token::ResourceNames};

/// Reports whether the secret key and the domain belong to a test or a live instance. `Config` has already
/// rejected a mixture.
pub(super) fn kind(config: &Config) -> Diagnosis {
    const NAME: &str = "kind";
    let key = config.clerk.secret_key.expose_secret();
    let instance = if key.starts_with("sk_live_") {
        "production"
    } else {
        "development"
    };
    if config.clerk.frontend_api.scheme() == "http" {
        return Diagnosis::not_applicable(
            NAME,
            "The Frontend API is on this machine, where test and live keys both work",
        );
    }
    Diagnosis::passed(
        NAME,
        format!("Secret key and domain both belong to a {instance} instance"),
    )
}

/// Asks the operator to check the resource (RFC 8707): no API of Clerk reports whether it is registered.
pub(super) fn resource(config: &Config) -> Diagnosis {
    let resource = ResourceNames::new(&config.base_url);
    Diagnosis::not_applicable(
        "resource",
        &format!(
            "Make sure that {} is registered in Clerk Dashboard > Agents > MCP servers. Otherwise tokens have no audience",
            resource.mcp()
        ),
    )
}
