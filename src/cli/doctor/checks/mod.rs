//! The checks, in the order in which they depend on each other.

use std::{collections::BTreeSet, sync::Arc};

use reqwest::{Client, Method, StatusCode, Url, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Position;

use super::{
    diagnosis::{Diagnoses, Diagnosis},
    document::{DocumentError, FetchedDocument},
};
use crate::{
    app::AppError,
    auth::ChallengeContext,
    clerk::ClerkClient,
    cli::error::Failure,
    clock::{Clock, SystemClock},
    config::Config,
    outbound::{self, OutboundError},
    paths,
    token::{FetchError, HttpJwks, JwksCache, ResourceNames},
};

/// The remedy if Clerk answered with a server error.
const CLERK_HAS_TROUBLE: &str = "Clerk has trouble, and the configuration may be right. See https://status.clerk.com, and run doctor again later.";

/// The name of the first check.
pub(super) const CONFIG: &str = "config";

/// Runs every check in order.
pub(super) async fn run(config: &Config, diagnoses: &mut Diagnoses) -> Result<(), Failure> {
    diagnoses.add(Diagnosis::passed(
        CONFIG,
        "All required variables are set, and all values are valid",
    ))?;
    diagnoses.add(kind(config))?;
    let frontend = client(config, &config.clerk.frontend_api)?;
    let metadata = config.clerk.frontend_url(paths::AUTHORIZATION_SERVER);
    let metadata = FetchedDocument::fetch(frontend.get(metadata)).await;
    diagnoses.add(frontend_api(config, &metadata))?;
    diagnoses.add(issuer(config, &metadata))?;
    let (frontend_keys, diagnosis) = key_set(config, frontend, &metadata).await?;
    diagnoses.add(diagnosis)?;
    let (backend_keys, diagnosis) = secret_key(config).await?;
    diagnoses.add(diagnosis)?;
    diagnoses.add(same_application(frontend_keys.as_ref(), backend_keys.as_ref()))?;
    diagnoses.add(registration(&metadata))?;
    diagnoses.add(resource(config))?;
    diagnoses.add(pkce(&metadata))?;
    diagnoses.add(clock(config, &metadata))?;
    let names = ResourceNames::new(&config.base_url);
    let challenge = ChallengeContext::new(&names, Vec::new());
    let own = client(config, &config.base_url)?;
    let resource = FetchedDocument::fetch(own.get(&challenge.resource_metadata)).await;
    diagnoses.add(base_url(config, &names, &resource, &metadata))?;
    diagnoses.add(scopes(config, &metadata, &resource))?;
    diagnoses.add(endpoint(&own, &names, &challenge, &resource).await)
}

/// Creates an HTTP client with the server's time limits and trusted root certificates.
fn client(config: &Config, target: &Url) -> Result<Client, Failure> {
    Ok(outbound::client(target, &config.clerk.roots).map_err(AppError::Tls)?)
}

/// Reports whether the secret key and the domain belong to a test or a live instance. `Config` has already
/// rejected a mixture.
fn kind(config: &Config) -> Diagnosis {
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

fn frontend_api(config: &Config, metadata: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "frontend-api";
    let url = config.clerk.frontend_url("");
    match &metadata.body {
        Ok(_) => Diagnosis::passed(NAME, format!("{url} serves its OAuth metadata")),
        Err(missing) => Diagnosis::failed(
            NAME,
            format!("Cannot read the OAuth metadata of {url}: {missing}"),
            if missing.is_outage() {
                CLERK_HAS_TROUBLE
            } else {
                "Compare CLERK_DOMAIN with Clerk Dashboard > Configure > Domains > Frontend API. Behind a proxy, set \
                 HTTPS_PROXY."
            },
        ),
    }
}

/// Checks that the metadata names the expected issuer (RFC 8414 §3.3).
fn issuer(config: &Config, metadata: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "issuer";
    let expected = config.clerk.issuer();
    let Ok(body) = &metadata.body else {
        return Diagnosis::not_reached(NAME, "Skipped: the OAuth metadata could not be read");
    };
    match body["issuer"].as_str() {
        Some(issuer) if issuer == expected => {
            Diagnosis::passed(NAME, format!("The issuer is {expected}, as configured"))
        }
        other => Diagnosis::failed(
            NAME,
            format!(
                "{} names {} as its issuer, but {expected} is expected, so its tokens would be rejected",
                config.clerk.frontend_url(""),
                other.map_or_else(|| "nothing".to_owned(), |issuer| format!("{issuer:?}")),
            ),
            "If clients reach the Frontend API at that issuer, set CLERK_ISSUER to it. Otherwise set CLERK_DOMAIN to its host.",
        ),
    }
}

async fn key_set(
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

async fn secret_key(config: &Config) -> Result<(Option<BTreeSet<String>>, Diagnosis), Failure> {
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
        Err(missing) => (
            None,
            Diagnosis::failed(
                NAME,
                format!("Cannot check CLERK_SECRET_KEY with {host}: {missing}"),
                if missing.is_outage() {
                    CLERK_HAS_TROUBLE
                } else {
                    "Check CLERK_API_URL, and whether a firewall blocks connections. Behind a proxy, set HTTPS_PROXY."
                },
            ),
        ),
    })
}

/// Checks that the key sets of both APIs share a key: both APIs of one application publish the same keys.
fn same_application(
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

/// Checks that clients can register in one of two ways (MCP, "Client Registration Approaches").
fn registration(metadata: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "registration";
    let Ok(body) = &metadata.body else {
        return Diagnosis::not_reached(NAME, "Skipped: the OAuth metadata could not be read");
    };
    let ways: Vec<_> = [
        (body["registration_endpoint"].is_string(), "dynamic registration"),
        (
            body["client_id_metadata_document_supported"] == true,
            "client ID metadata documents",
        ),
    ]
    .into_iter()
    .filter_map(|(is_on, way)| is_on.then_some(way))
    .collect();
    if ways.is_empty() {
        return Diagnosis::failed(
            NAME,
            "MCP clients cannot register",
            "Turn on dynamic client registration or client ID metadata documents in Clerk Dashboard > Configure > OAuth \
             applications > Settings.",
        );
    }
    Diagnosis::passed(NAME, format!("Clients can register by {}", ways.join(" or ")))
}

/// Asks the operator to check the resource (RFC 8707): no API of Clerk reports whether it is registered.
fn resource(config: &Config) -> Diagnosis {
    let resource = ResourceNames::new(&config.base_url);
    Diagnosis::not_applicable(
        "resource",
        &format!(
            "Make sure that {} is registered in Clerk Dashboard > Agents > MCP servers. Otherwise tokens have no audience",
            resource.mcp()
        ),
    )
}

/// Checks that PKCE with S256 is supported. Clients stop without it (MCP, "Authorization Code Protection").
fn pkce(metadata: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "pkce";
    let Ok(body) = &metadata.body else {
        return Diagnosis::not_reached(NAME, "Skipped: the OAuth metadata could not be read");
    };
    let methods = body["code_challenge_methods_supported"].as_array();
    if methods.is_some_and(|methods| methods.contains(&json!("S256"))) {
        return Diagnosis::passed(NAME, "PKCE with S256 is supported (RFC 7636)");
    }
    Diagnosis::failed(
        NAME,
        "The OAuth metadata does not list PKCE with S256, which MCP clients require",
        "Check whether a proxy changes the metadata. If not, contact Clerk's support.",
    )
}

/// Compares this machine's clock with Clerk's, because tokens are checked against this clock (RFC 7519
/// §4.1.4).
fn clock(config: &Config, metadata: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "clock";
    let Some(clerk_time) = metadata.date else {
        return Diagnosis::not_reached(NAME, "Skipped: Clerk sent no Date header");
    };
    // The header has whole seconds, and the response took some time to arrive.
    let apart = SystemClock.now().duration_since(clerk_time).as_secs();
    let allowed = config.tokens.leeway.as_secs().max(2);
    if apart.unsigned_abs() <= allowed {
        return Diagnosis::passed(NAME, "This machine's clock agrees with Clerk's");
    }
    Diagnosis::failed(
        NAME,
        format!(
            "This machine's clock is {} s {} Clerk's, so valid tokens can be rejected",
            apart.unsigned_abs(),
            if apart > 0 { "ahead of" } else { "behind" },
        ),
        "Synchronize the clock with NTP. CLERK_CLOCK_SKEW is meant for a few seconds only.",
    )
}

/// Checks that the server answers at `BASE_URL` with metadata that matches (RFC 9728 §3.3).
fn base_url(
    config: &Config,
    names: &ResourceNames,
    resource: &FetchedDocument,
    metadata: &FetchedDocument,
) -> Diagnosis {
    const NAME: &str = "base-url";
    let body = match &resource.body {
        Ok(body) => body,
        Err(missing) => {
            return Diagnosis::failed(
                NAME,
                format!(
                    "Cannot read the metadata of the server at {}: {missing}",
                    names.base()
                ),
                "Start the server. If it runs, check DNS, proxies and firewalls between BASE_URL and HOST:PORT.",
            );
        }
    };
    let servers = body["authorization_servers"].as_array();
    let issuer = json!(config.clerk.issuer());
    if body["resource"] != names.mcp() {
        return Diagnosis::failed(
            NAME,
            format!(
                "The server at BASE_URL publishes the resource {}, but clients expect {:?}",
                body["resource"],
                names.mcp()
            ),
            "Start the server with this BASE_URL.",
        );
    }
    if !servers.is_some_and(|servers| servers.contains(&issuer)) {
        let expected_by_clerk = metadata.body.as_ref().ok().map(|body| &body["issuer"]);
        if expected_by_clerk != Some(&issuer) {
            return Diagnosis::not_reached(
                NAME,
                "Skipped: an earlier check failed, so the issuer to compare with is not known",
            );
        }
        return Diagnosis::failed(
            NAME,
            format!(
                "The server at BASE_URL sends clients to {}, not to {}",
                body["authorization_servers"],
                config.clerk.issuer()
            ),
            "Start the server with this CLERK_DOMAIN.",
        );
    }
    Diagnosis::passed(
        NAME,
        format!("The server answers at {} with matching metadata", names.base()),
    )
}

/// Checks that Clerk offers every scope that the configuration or the running server names.
fn scopes(config: &Config, metadata: &FetchedDocument, resource: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "scopes";
    let listed = |document: &FetchedDocument| -> Option<BTreeSet<String>> {
        let scopes = document.body.as_ref().ok()?["scopes_supported"].as_array()?;
        Some(
            scopes
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    };
    let Some(offered) = listed(metadata) else {
        return Diagnosis::not_reached(NAME, "Skipped: the OAuth metadata lists no scopes");
    };
    let configured = config.scopes.iter().chain(&config.required_scopes).cloned();
    // The running server also names the scopes of its tools, which the configuration does not contain.
    let named: BTreeSet<_> = configured.chain(listed(resource).unwrap_or_default()).collect();
    let missing: Vec<_> = named.difference(&offered).map(String::as_str).collect();
    if missing.is_empty() {
        return Diagnosis::passed(NAME, "Clerk offers every scope that clients are told to request");
    }
    Diagnosis::failed(
        NAME,
        format!(
            "Clients are told to request {}, which Clerk does not offer, so sign-in can fail with invalid_scope",
            missing.join(" ")
        ),
        "Add and advertise the scopes in Clerk Dashboard > Configure > OAuth applications (user:org:read needs \
         organizations), or remove them from SCOPES, REQUIRED_SCOPES and the tool policy.",
    )
}

/// Checks that a request without a token is answered with a challenge that leads to the metadata (RFC 9728
/// §5.1).
async fn endpoint(
    own: &Client,
    names: &ResourceNames,
    challenge: &ChallengeContext,
    resource: &FetchedDocument,
) -> Diagnosis {
    const NAME: &str = "mcp-endpoint";
    if resource.body.is_err() {
        return Diagnosis::not_reached(NAME, "Skipped: the metadata of the server could not be read");
    }
    // No policy makes this tool public, whereas `ping` needs no token at a server with public tools.
    let params = json!({ "name": "doctor", "arguments": {} });
    let request = own
        .post(names.mcp())
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let error = OutboundError::from(error);
            return Diagnosis::failed(
                NAME,
                format!("{} does not answer: {error}", names.mcp()),
                "Check proxies and firewalls between this machine and BASE_URL.",
            );
        }
    };
    let pointer = format!("resource_metadata=\"{}\"", challenge.resource_metadata);
    let points = response
        .headers()
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.contains(&pointer)));
    match (response.status(), points) {
        (StatusCode::UNAUTHORIZED, true) => Diagnosis::passed(
            NAME,
            format!(
                "{} asks for a token, and its challenge names the metadata",
                names.mcp()
            ),
        ),
        (StatusCode::UNAUTHORIZED, false) => Diagnosis::failed(
            NAME,
            format!(
                "{} asks for a token, but its challenge does not name {}",
                names.mcp(),
                challenge.resource_metadata
            ),
            "Check whether a proxy removes or changes WWW-Authenticate.",
        ),
        (status, _) => Diagnosis::failed(
            NAME,
            format!(
                "{} answers a request without a token with {}, not 401",
                names.mcp(),
                status.as_u16()
            ),
            "After 500 or 503, read the server's log and /readyz. Otherwise check proxies between this machine and BASE_URL.",
        ),
    }
}
