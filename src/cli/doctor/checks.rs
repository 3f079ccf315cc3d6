//! The checks, in the order in which one thing depends on another.

use std::{collections::BTreeSet, sync::Arc};

use reqwest::{Client, Method, StatusCode, Url, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    diagnosis::{Diagnoses, Diagnosis},
    document::{Document, DocumentError},
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
    token::{HttpJwks, JwksCache, ResourceNames},
};

/// The name of the first check.
pub(super) const CONFIG: &str = "config";

/// Makes all of them.
pub(super) async fn run(config: &Config, diagnoses: &mut Diagnoses) -> Result<(), Failure> {
    diagnoses.add(Diagnosis::passed(
        CONFIG,
        "All that is needed is there and well formed",
    ))?;
    diagnoses.add(kind(config))?;
    let frontend = client(config, &config.clerk.frontend_api)?;
    let metadata = Document::fetch(frontend.get(format!(
        "{}{}",
        config.clerk.issuer(),
        paths::AUTHORIZATION_SERVER
    )))
    .await;
    diagnoses.add(frontend_api(config, &metadata))?;
    diagnoses.add(issuer(config, &metadata))?;
    let (frontend_keys, diagnosis) = key_set(config, frontend).await?;
    diagnoses.add(diagnosis)?;
    let (backend_keys, diagnosis) = secret_key(config).await?;
    diagnoses.add(diagnosis)?;
    diagnoses.add(same_application(frontend_keys.as_ref(), backend_keys.as_ref()))?;
    diagnoses.add(registration(&metadata))?;
    diagnoses.add(pkce(&metadata))?;
    diagnoses.add(clock(config, &metadata))?;
    let names = ResourceNames::new(&config.base_url);
    let challenge = ChallengeContext::new(&names, Vec::new());
    let own = client(config, &config.base_url)?;
    let resource = Document::fetch(own.get(&challenge.resource_metadata)).await;
    diagnoses.add(base_url(config, &names, &resource))?;
    diagnoses.add(endpoint(&own, &names, &challenge, &resource).await)
}

/// A client with the limits that all calls have, who trusts what the server trusts.
fn client(config: &Config, target: &Url) -> Result<Client, Failure> {
    Ok(outbound::client(target, &config.clerk.roots).map_err(AppError::Tls)?)
}

/// That key and domain are of one kind, the configuration has checked.
fn kind(config: &Config) -> Diagnosis {
    const NAME: &str = "kind";
    let key = config.clerk.secret_key.expose_secret();
    let instance = if key.starts_with("sk_live_") {
        "production"
    } else {
        "development"
    };
    if config.clerk.frontend_api.scheme() == "http" {
        return Diagnosis::not_asked(
            NAME,
            "The Frontend API is on this machine, where every key will do",
        );
    }
    Diagnosis::passed(NAME, format!("Key and domain are of a {instance} instance"))
}

fn frontend_api(config: &Config, metadata: &Document) -> Diagnosis {
    const NAME: &str = "frontend-api";
    let issuer = config.clerk.issuer();
    match &metadata.body {
        Ok(_) => Diagnosis::passed(NAME, format!("{issuer} answers")),
        Err(missing) => Diagnosis::failed(
            NAME,
            format!("The metadata of {issuer} can't be read: {missing}"),
            "Compare CLERK_DOMAIN with Clerk Dashboard, Configure, Domains, Frontend API; behind a proxy set HTTPS_PROXY",
        ),
    }
}

/// RFC 8414 §3.3.
fn issuer(config: &Config, metadata: &Document) -> Diagnosis {
    const NAME: &str = "issuer";
    let expected = config.clerk.issuer();
    let Ok(body) = &metadata.body else {
        return Diagnosis::not_reached(NAME, "There is no metadata");
    };
    match body["issuer"].as_str() {
        Some(issuer) if issuer == expected => {
            Diagnosis::passed(NAME, format!("Tokens are issued by {expected}"))
        }
        other => Diagnosis::failed(
            NAME,
            format!(
                "{expected} says that it is {}, and so will its tokens",
                other.unwrap_or("nobody")
            ),
            "Set CLERK_DOMAIN to that one, or CLERK_FRONTEND_API_URL behind a proxy of yours",
        ),
    }
}

async fn key_set(
    config: &Config,
    frontend: Client,
) -> Result<(Option<BTreeSet<String>>, Diagnosis), Failure> {
    const NAME: &str = "key-set";
    let issuer = config.clerk.issuer();
    let url = format!("{issuer}/.well-known/jwks.json")
        .parse()
        .map_err(|_| AppError::FrontendApi(issuer.to_owned()))?;
    let keys = JwksCache::new(HttpJwks::new(frontend, url), Arc::new(SystemClock));
    let fetched = keys.refresh().await;
    let ids = keys.key_ids();
    let diagnosis = match (fetched, &ids) {
        (Err(_), _) if config.clerk.jwt_key.is_some() => {
            Diagnosis::not_asked(NAME, "It can't be fetched, and CLERK_JWT_KEY takes its place")
        }
        (Err(error), _) => Diagnosis::failed(
            NAME,
            format!("No token can be verified: {error}"),
            "Without a way there, CLERK_JWT_KEY takes the key from Clerk Dashboard, Configure, API keys, JWKS Public Key",
        ),
        (Ok(()), ids) => Diagnosis::passed(
            NAME,
            format!("Keys that can be used: {}", ids.as_ref().map_or(0, BTreeSet::len)),
        ),
    };
    Ok((ids, diagnosis))
}

async fn secret_key(config: &Config) -> Result<(Option<BTreeSet<String>>, Diagnosis), Failure> {
    const NAME: &str = "secret-key";
    let backend = client(config, &config.clerk.backend_api)?;
    let (base, key) = (config.clerk.backend_api.clone(), config.clerk.secret_key.clone());
    let backend = ClerkClient::new(backend, base, key, Arc::new(SystemClock));
    // Its path is no id, so it can't be refused.
    let Ok(request) = backend.request(Method::GET, &["v1", "jwks"]) else {
        return Ok((None, Diagnosis::not_reached(NAME, "The request can't be made")));
    };
    let host = config.clerk.backend_api.host_str().unwrap_or_default();
    Ok(match Document::fetch(request).await.body {
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
                Diagnosis::passed(NAME, format!("{host} takes CLERK_SECRET_KEY")),
            )
        }
        Err(DocumentError::Status(StatusCode::UNAUTHORIZED)) => (
            None,
            Diagnosis::failed(
                NAME,
                format!("{host} refuses CLERK_SECRET_KEY"),
                "Take the current one from Clerk Dashboard, Configure, API keys, Secret keys",
            ),
        ),
        Err(missing) => (
            None,
            Diagnosis::failed(
                NAME,
                format!("{host} could not be asked: {missing}"),
                "Try again in a minute; behind a proxy set HTTPS_PROXY, and see that CLERK_API_URL is right",
            ),
        ),
    })
}

/// The keys of one application are the same, whichever API gives them.
fn same_application(
    frontend_keys: Option<&BTreeSet<String>>,
    backend_keys: Option<&BTreeSet<String>>,
) -> Diagnosis {
    const NAME: &str = "same-application";
    match (frontend_keys, backend_keys) {
        (Some(frontend), Some(backend)) if frontend.is_disjoint(backend) => Diagnosis::failed(
            NAME,
            "CLERK_SECRET_KEY and CLERK_DOMAIN belong to different applications",
            "Take both from one instance of one application in the Clerk Dashboard",
        ),
        (Some(_), Some(_)) => Diagnosis::passed(NAME, "Secret key and domain are of the same application"),
        _ => Diagnosis::not_reached(NAME, "There are no keys to compare"),
    }
}

/// MCP, "Client Registration Approaches": one of the two.
fn registration(metadata: &Document) -> Diagnosis {
    const NAME: &str = "registration";
    let Ok(body) = &metadata.body else {
        return Diagnosis::not_reached(NAME, "There is no metadata");
    };
    let ways: Vec<_> = [
        (body["registration_endpoint"].is_string(), "dynamic registration"),
        (
            body["client_id_metadata_document_supported"] == true,
            "client id metadata documents",
        ),
    ]
    .into_iter()
    .filter_map(|(is_on, way)| is_on.then_some(way))
    .collect();
    if ways.is_empty() {
        return Diagnosis::failed(
            NAME,
            "MCP clients have no way to make themselves known",
            "Turn on dynamic client registration or client ID metadata documents: Clerk Dashboard, Configure, OAuth \
             applications, Settings",
        );
    }
    Diagnosis::passed(NAME, format!("Clients are known by {}", ways.join(" or ")))
}

/// MCP, "Authorization Code Protection": clients refuse to go on without it.
fn pkce(metadata: &Document) -> Diagnosis {
    const NAME: &str = "pkce";
    let Ok(body) = &metadata.body else {
        return Diagnosis::not_reached(NAME, "There is no metadata");
    };
    let methods = body["code_challenge_methods_supported"].as_array();
    if methods.is_some_and(|methods| methods.contains(&json!("S256"))) {
        return Diagnosis::passed(NAME, "PKCE with S256 is offered (RFC 7636)");
    }
    Diagnosis::failed(
        NAME,
        "The metadata doesn't offer PKCE with S256, without which MCP clients don't sign in",
        "See whether a proxy of yours changes Clerk's metadata; else ask Clerk's support",
    )
}

/// RFC 7519 §4.1.4: times are compared with this machine's clock.
fn clock(config: &Config, metadata: &Document) -> Diagnosis {
    const NAME: &str = "clock";
    let Some(clerk_time) = metadata.date else {
        return Diagnosis::not_reached(NAME, "No answer of Clerk's said what time it is");
    };
    // Whole seconds, some of which the answer was on its way.
    let apart = SystemClock.now().duration_since(clerk_time).as_secs();
    let allowed = config.tokens.leeway.as_secs().max(2);
    if apart.unsigned_abs() <= allowed {
        return Diagnosis::passed(NAME, "This machine's clock and Clerk's agree");
    }
    Diagnosis::failed(
        NAME,
        format!(
            "This machine's clock is {} s {} Clerk's, and tokens are good for a minute",
            apart.unsigned_abs(),
            if apart > 0 { "ahead of" } else { "behind" },
        ),
        "Set it right, with NTP; CLERK_CLOCK_SKEW is for a few seconds",
    )
}

/// RFC 9728 §3.3.
fn base_url(config: &Config, names: &ResourceNames, resource: &Document) -> Diagnosis {
    const NAME: &str = "base-url";
    let body = match &resource.body {
        Ok(body) => body,
        Err(missing) => {
            return Diagnosis::failed(
                NAME,
                format!("The server can't be reached at {}: {missing}", names.base()),
                "Start it; if it runs, look at the way from BASE_URL to HOST and PORT (DNS, proxy, firewall)",
            );
        }
    };
    let servers = body["authorization_servers"].as_array();
    let issuer = json!(config.clerk.issuer());
    if body["resource"] != names.mcp() {
        return Diagnosis::failed(
            NAME,
            format!(
                "The server there calls itself {}, not {}; clients compare the two",
                body["resource"],
                names.mcp()
            ),
            "Start it with this BASE_URL",
        );
    }
    if !servers.is_some_and(|servers| servers.contains(&issuer)) {
        return Diagnosis::failed(
            NAME,
            format!(
                "The server there sends its clients elsewhere than to {}",
                config.clerk.issuer()
            ),
            "Start it with this CLERK_DOMAIN",
        );
    }
    Diagnosis::passed(
        NAME,
        format!("The server answers at {}, and says so", names.base()),
    )
}

/// RFC 9728 §5.1: how a client that knows nothing yet finds the way.
async fn endpoint(
    own: &Client,
    names: &ResourceNames,
    challenge: &ChallengeContext,
    resource: &Document,
) -> Diagnosis {
    const NAME: &str = "mcp-endpoint";
    if resource.body.is_err() {
        return Diagnosis::not_reached(NAME, "The server can't be reached");
    }
    let request = own
        .post(names.mcp())
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }));
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let error = OutboundError::from(error);
            return Diagnosis::failed(
                NAME,
                format!("{} does not answer: {error}", names.mcp()),
                "Look at what stands between",
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
            format!("{} asks for a token, and says where to get one", names.mcp()),
        ),
        (StatusCode::UNAUTHORIZED, false) => Diagnosis::failed(
            NAME,
            format!(
                "{} asks for a token, and doesn't say where to get one",
                names.mcp()
            ),
            "See whether something between takes WWW-Authenticate away",
        ),
        (status, _) => Diagnosis::failed(
            NAME,
            format!(
                "{} answers a request without a token with {}, not 401",
                names.mcp(),
                status.as_u16()
            ),
            "With 500 or 503 see its log and /readyz; else look at what stands between",
        ),
    }
}
