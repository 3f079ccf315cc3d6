//! Checks of the running server at `BASE_URL`.

use std::collections::BTreeSet;

use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use super::super::{diagnosis::Diagnosis, document::FetchedDocument};
use crate::{auth::ChallengeContext, config::Config, outbound::OutboundError, token::ResourceNames};

/// Checks that the server answers at `BASE_URL` with metadata that matches (RFC 9728 §3.3).
pub(super) fn base_url(
    config: &Config,
    names: &ResourceNames,
    resource: &FetchedDocument,
    metadata: &FetchedDocument,
) -> Diagnosis {
    const NAME: &str = "base-url";
    let body = match &resource.body {
        Ok(body) => body,
        Err(error) => {
            return Diagnosis::failed(
                NAME,
                format!(
                    "Cannot read the metadata of the server at {}: {error}",
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
        let named_by_clerk = metadata.body.as_ref().ok().map(|body| &body["issuer"]);
        if named_by_clerk != Some(&issuer) {
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
pub(super) fn scopes(config: &Config, metadata: &FetchedDocument, resource: &FetchedDocument) -> Diagnosis {
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
pub(super) async fn endpoint(
    own: &Client,
    names: &ResourceNames,
    challenge: &ChallengeContext,
    resource: &FetchedDocument,
) -> Diagnosis {
    const NAME: &str = "mcp-endpoint";
    if resource.body.is_err() {
        return Diagnosis::not_reached(NAME, "Skipped: the metadata of the server could not be read");
    }
    // A call of an unknown tool always needs a token. `ping` would need none at a server with public tools.
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
