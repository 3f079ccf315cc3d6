//! Runs the checks in the order in which they depend on each other. Each file has the checks of one subject.

mod configuration;
mod keys;
mod oauth_metadata;
mod server;

use reqwest::{Client, Url};

use super::{
    diagnosis::{Diagnoses, Diagnosis},
    document::FetchedDocument,
};
use crate::{
    app::AppError, auth::ChallengeContext, cli::error::Failure, config::Config, outbound, paths,
    token::ResourceNames,
};

/// The remedy if Clerk answered with a server error.
const CLERK_HAS_TROUBLE: &str = "Clerk answered with a server error, so the configuration may be correct. \
                                 See https://status.clerk.com, and run doctor again later.";

/// The name of the first check.
pub(super) const CONFIG: &str = "config";

/// Runs every check in order.
pub(super) async fn run(config: &Config, diagnoses: &mut Diagnoses) -> Result<(), Failure> {
    diagnoses.add(Diagnosis::passed(
        CONFIG,
        "All required variables are set, and all values are valid",
    ))?;
    diagnoses.add(configuration::kind(config))?;
    let frontend = client(config, &config.clerk.frontend_api)?;
    let metadata = config.clerk.frontend_url(paths::AUTHORIZATION_SERVER);
    let metadata = FetchedDocument::fetch(frontend.get(metadata)).await;
    diagnoses.add(oauth_metadata::frontend_api(config, &metadata))?;
    diagnoses.add(oauth_metadata::issuer(config, &metadata))?;
    let (frontend_keys, diagnosis) = keys::key_set(config, frontend, &metadata).await?;
    diagnoses.add(diagnosis)?;
    let (backend_keys, diagnosis) = keys::secret_key(config).await?;
    diagnoses.add(diagnosis)?;
    diagnoses.add(keys::same_application(
        frontend_keys.as_ref(),
        backend_keys.as_ref(),
    ))?;
    diagnoses.add(oauth_metadata::registration(&metadata))?;
    diagnoses.add(configuration::resource(config))?;
    diagnoses.add(oauth_metadata::pkce(&metadata))?;
    diagnoses.add(oauth_metadata::clock(config, &metadata))?;
    let names = ResourceNames::new(&config.base_url);
    let challenge = ChallengeContext::new(&names, Vec::new());
    let own = client(config, &config.base_url)?;
    let resource = FetchedDocument::fetch(own.get(&challenge.resource_metadata)).await;
    diagnoses.add(server::base_url(config, &names, &resource, &metadata))?;
    diagnoses.add(server::scopes(config, &metadata, &resource))?;
    diagnoses.add(server::endpoint(&own, &names, &challenge, &resource).await)
}

/// Creates an HTTP client with the server's time limits and trusted root certificates.
fn client(config: &Config, target: &Url) -> Result<Client, Failure> {
    Ok(outbound::client(target, &config.clerk.roots).map_err(AppError::Tls)?)
}
