//! Checks of the secret key, and of the keys that verify tokens.

use std::{collections::BTreeSet, sync::Arc};

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use url::Position;

use super::{
    super::{
        diagnosis::Diagnosis,
        document::{DocumentError, FetchedDocument},
    },
    CLERK_HAS_TROUBLE, client,
};
use crate::{
    app::AppError,
    clerk::ClerkClient,
    cli::error::Failure,
    clock::SystemClock,
    config::Config,
    paths,
    token::{FetchError, HttpJwks, JwksCache},
};

/// Fetches the key set of the Frontend API. Returns its key ids too, if it could be fetched.
pub(super) async fn key_set(
    config: &Config,
    frontend: Client,
    metadata: &FetchedDocument,
) -> Result<(Option<BTreeSet<String>>, Diagnosis), Failure> {
    const NAME: &str = "key-set";
    let url = config.clerk.frontend_url(paths::JWKS);
    let url = url.parse().map_err(|_| AppError::FrontendApi(url))?;
    let keys = JwksCache::new(HttpJwks::new(frontend, url), Arc::new(SystemClock));
    let fetched = keys.refresh().await;
    let ids = keys.key_ids();
    let diagnosis = match (fetched, &ids) {
        (Err(_), _) if config.clerk.jwt_key.is_some() => Diagnosis::not_applicable(
            NAME,
            "The key set cannot be fetched, but is not needed: CLERK_JWT_KEY is set",
        ),
        (Err(_), _) if metadata.body.is_err() => {
            Diagnosis::not_reached(NAME, "Skipped: the Frontend API could not be read")
        }
        (Err(error), _) => Diagnosis::failed(
            NAME,
            format!("Cannot fetch the key set, so no JWT can be verified: {error}"),
            if matches!(error, FetchError::Status(500..)) {
                CLERK_HAS_TROUBLE
            } else {
                "Allow connections to the Frontend API, or set CLERK_JWT_KEY to the key from Clerk Dashboard > Configure > API \
             keys > JWKS Public Key."
            },
        ),
        (Ok(()), ids) => Diagnosis::passed(
            NAME,
            format!("Usable keys: {}", ids.as_ref().map_or(0, BTreeSet::len)),
        ),
    };
    Ok((ids, diagnosis))
}

/// Fetches the key set of the Backend API, which needs the secret key. Returns its key ids too, if the key
/// was accepted.
pub(super) async fn secret_key(config: &Config) -> Result<(Option<BTreeSet<String>>, Diagnosis), Failure> {
    const NAME: &str = "secret-key";
    let backend = client(config, &config.clerk.backend_api)?;
    let (base, key) = (config.clerk.backend_api.clone(), config.clerk.secret_key.clone());
    let backend = ClerkClient::new(backend, base, key, Arc::new(SystemClock));
    // This cannot fail: `request` rejects only empty and dot segments, and this path has none.
    let Ok(request) = backend.request(Method::GET, &["v1", "jwks"]) else {
        return Ok((
            None,
            Diagnosis::not_reached(NAME, "Skipped: the request could not be built"),
        ));
    };
    let host = &config.clerk.backend_api[Position::BeforeHost..Position::AfterPort];
    Ok(match FetchedDocument::fetch(request).await.body {
        Ok(body) => {
            let keys = body
                .get("keys")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let ids = keys
                .iter()
                .filter_map(|key| key.get("kid").and_then(Value::as_str));
            let ids = ids.map(str::to_owned).collect();
            (
                Some(ids),
                Diagnosis::passed(NAME, format!("{host} accepts CLERK_SECRET_KEY")),
            )
        }
        Err(DocumentError::Status(StatusCode::UNAUTHORIZED)) => (
            None,
            Diagnosis::failed(
                NAME,
                format!("{host} rejects CLERK_SECRET_KEY"),
                "Copy the current key from Clerk Dashboard > Configure > API keys > Secret keys.",
            ),
        ),
        Err(error) => (
            None,
            Diagnosis::failed(
                NAME,
                format!("Cannot check CLERK_SECRET_KEY with {host}: {error}"),
                if error.is_outage() {
                    CLERK_HAS_TROUBLE
                } else {
                    "Check CLERK_API_URL, and whether a firewall blocks connections. Behind a proxy, set HTTPS_PROXY."
                },
            ),
        ),
    })
}

/// Checks that the key sets of both APIs share a key: both APIs of one application publish the same keys.
pub(super) fn same_application(
    frontend_keys: Option<&BTreeSet<String>>,
    backend_keys: Option<&BTreeSet<String>>,
) -> Diagnosis {
    const NAME: &str = "same-application";
    match (frontend_keys, backend_keys) {
        (Some(frontend), Some(backend)) if frontend.is_disjoint(backend) => Diagnosis::failed(
            NAME,
            "CLERK_SECRET_KEY and CLERK_DOMAIN belong to different applications",
            "Copy both from the same instance of the same application in the Clerk Dashboard.",
        ),
        (Some(_), Some(_)) => Diagnosis::passed(
            NAME,
            "CLERK_SECRET_KEY and CLERK_DOMAIN belong to the same application",
        ),
        _ => Diagnosis::not_reached(NAME, "Skipped: there are no keys to compare"),
    }
}
