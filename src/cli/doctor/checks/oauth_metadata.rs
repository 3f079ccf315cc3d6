//! Checks of the OAuth metadata that the Frontend API serves.

use serde_json::json;

use super::{
    super::{diagnosis::Diagnosis, document::FetchedDocument},
    CLERK_HAS_TROUBLE,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
};

/// Checks that the Frontend API serves its metadata (RFC 8414 §3).
pub(super) fn frontend_api(config: &Config, metadata: &FetchedDocument) -> Diagnosis {
    const NAME: &str = "frontend-api";
    let url = config.clerk.frontend_url("");
    match &metadata.body {
        Ok(_) => Diagnosis::passed(NAME, format!("{url} serves its OAuth metadata")),
        Err(error) => Diagnosis::failed(
            NAME,
            format!("Cannot read the OAuth metadata of {url}: {error}"),
            if error.is_outage() {
                CLERK_HAS_TROUBLE
            } else {
                "Compare CLERK_DOMAIN with Clerk Dashboard > Configure > Domains > Frontend API. Behind a proxy, set \
                 HTTPS_PROXY."
            },
        ),
    }
}

/// Checks that the metadata names the expected issuer (RFC 8414 §3.3).
pub(super) fn issuer(config: &Config, metadata: &FetchedDocument) -> Diagnosis {
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
            "If clients reach the Frontend API at that URL, set CLERK_ISSUER to it. Otherwise set CLERK_DOMAIN to the host of that URL.",
        ),
    }
}

/// Checks that clients can register in one of two ways (MCP, "Client Registration Approaches").
pub(super) fn registration(metadata: &FetchedDocument) -> Diagnosis {
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

/// Checks that PKCE with S256 is supported. Clients stop without it (MCP, "Authorization Code Protection").
pub(super) fn pkce(metadata: &FetchedDocument) -> Diagnosis {
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
pub(super) fn clock(config: &Config, metadata: &FetchedDocument) -> Diagnosis {
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
