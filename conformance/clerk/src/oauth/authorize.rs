//! The authorization endpoint: checks the request, then asks a person (RFC 6749 §4.1.1).

use poem::{
    Response,
    http::{Method, StatusCode},
};

use super::{
    callback, client_document,
    error::{ErrorCode, OAuthError},
    page, redirect_uri,
};
use crate::{
    http::{incoming::Incoming, parameters::Parameters},
    store::{
        grants::{AuthorizationRequest, Client, Origin, ResponseMode},
        instance::Instance,
        scope::{self, Scopes},
        settings::ResourceIndicators,
    },
};

/// What a state must have at least, as at Clerk: anything shorter can be guessed.
const MIN_STATE_LENGTH: usize = 8;
/// base64url of a SHA-256 digest (RFC 7636 §4.2).
const CODE_CHALLENGE_LENGTH: usize = 43;

/// An answer that cannot go to the client, because it is not known where that is (RFC 6749 §4.1.2.1).
struct Untrusted(&'static str);

/// The answer when there is no client behind the URL that is its id.
pub(crate) fn no_client(reason: &client_document::ClientDocumentError) -> Response {
    page::error(StatusCode::BAD_REQUEST, &reason.to_string())
}

pub(crate) fn authorize(instance: &Instance, incoming: &Incoming) -> Response {
    let parameters = if incoming.method() == Method::POST {
        match incoming.form() {
            Some(form) => form,
            None => return page::error(StatusCode::BAD_REQUEST, "The request must be a form."),
        }
    } else {
        incoming.query()
    };
    let client = match client(instance, &parameters) {
        Ok(client) => client,
        Err(Untrusted(reason)) => return page::error(StatusCode::BAD_REQUEST, reason),
    };
    let redirect_uri = match redirect_target(&client, &parameters) {
        Ok(redirect_uri) => redirect_uri,
        Err(Untrusted(reason)) => return page::error(StatusCode::BAD_REQUEST, reason),
    };
    // From here on the redirect URI is the client's own, so every error goes there.
    let reply = Reply {
        redirect_uri,
        parameters: &parameters,
    };
    match check(instance, &client, &reply) {
        Ok((request, prompt)) => proceed(instance, request, prompt),
        Err(error) => callback::refuse(instance, incoming.method(), &reply.target(), &error),
    }
}

fn proceed(instance: &Instance, request: AuthorizationRequest, prompt: Prompt) -> Response {
    let signed_in = instance.auto_approve.read().clone();
    match (signed_in, prompt) {
        (Some(user_id), _) => {
            let organization_id = request
                .scopes
                .contains(scope::ORGANIZATION)
                .then(|| {
                    let directory = instance.directory.read();
                    directory
                        .memberships_of_user(&user_id)
                        .next()
                        .map(|member| member.organization.id.clone())
                })
                .flatten();
            callback::approve(instance, &Method::GET, &request, &user_id, organization_id)
        }
        // Nobody is ever signed in here before the page has asked.
        (None, Prompt::None) => callback::refuse(
            instance,
            &Method::GET,
            &callback::Target::from(&request),
            &OAuthError::new(
                ErrorCode::LoginRequired,
                "nobody is signed in, and prompt=none forbids to ask",
            ),
        ),
        (None, Prompt::Ask) => {
            let consent = page::Consent::of(&instance.directory.read(), &request);
            let transaction =
                instance
                    .grants
                    .lock()
                    .open_transaction(request, instance.clock.now(), &instance.ids);
            page::consent(&consent, &transaction)
        }
    }
}

fn client(instance: &Instance, parameters: &Parameters) -> Result<Client, Untrusted> {
    if ["client_id", "redirect_uri"]
        .iter()
        .any(|name| parameters.all(name).nth(1).is_some())
    {
        return Err(Untrusted("client_id and redirect_uri must not be repeated."));
    }
    let client_id = parameters
        .get("client_id")
        .ok_or(Untrusted("The request has no client_id."))?;
    if client_document::is_url(client_id) && !instance.settings.client_id_metadata_documents {
        return Err(Untrusted(
            "This instance takes no URL as a client_id: client id metadata documents are off.",
        ));
    }
    let grants = instance.grants.lock();
    let client = grants.client(client_id).cloned();
    client.ok_or(Untrusted(
        "No client is registered with this client_id. A local Clerk forgets its clients when it ends: have the client \
         forget this sign-in (or remove and add the server there), then try again.",
    ))
}

fn redirect_target(client: &Client, parameters: &Parameters) -> Result<String, Untrusted> {
    match (parameters.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(asked), known) if known.iter().any(|one| is_known(client.origin, one, asked)) => {
            Ok(asked.to_owned())
        }
        (Some(_), _) => Err(Untrusted(
            "The redirect_uri is not one this client has registered.",
        )),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Untrusted(
            "The request has no redirect_uri, and the client has registered more than one.",
        )),
    }
}

/// Documents are taken at their word: only clients that registered may vary the port on a loopback address.
fn is_known(origin: Origin, known: &str, asked: &str) -> bool {
    match origin {
        Origin::Registered => redirect_uri::matches(known, asked),
        Origin::Document { .. } => known == asked,
    }
}

/// Where an answer goes, before the request is known to be good.
struct Reply<'a> {
    redirect_uri: String,
    parameters: &'a Parameters,
}

impl Reply<'_> {
    fn target(&self) -> callback::Target<'_> {
        callback::Target {
            redirect_uri: &self.redirect_uri,
            // A mode that does not exist is an error, and that error needs one that does.
            response_mode: response_mode(self.parameters).unwrap_or_default(),
            state: self.parameters.get("state"),
        }
    }
}

/// Whether a page may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompt {
    Ask,
    None,
}

fn check(
    instance: &Instance,
    client: &Client,
    reply: &Reply<'_>,
) -> Result<(AuthorizationRequest, Prompt), OAuthError> {
    let parameters = reply.parameters;
    if parameters.repeated(&["resource"]).is_some() {
        return Err(OAuthError::invalid_request("only resource may be repeated"));
    }
    let response_mode = response_mode(parameters)
        .ok_or_else(|| OAuthError::invalid_request("response_mode must be query or form_post"))?;
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(OAuthError::new(
                ErrorCode::UnsupportedResponseType,
                "the only response_type is code",
            ));
        }
        None => return Err(OAuthError::invalid_request("response_type is missing")),
    }
    let code_challenge = code_challenge(client, parameters)?;
    let state = parameters.get("state");
    match state {
        Some(state) if state.len() < MIN_STATE_LENGTH => {
            return Err(OAuthError::invalid_request(
                "state must have at least 8 characters",
            ));
        }
        None if code_challenge.is_none() => {
            return Err(OAuthError::invalid_request("without PKCE, state is required"));
        }
        Some(_) | None => {}
    }
    Ok((
        AuthorizationRequest {
            client_id: client.id.clone(),
            client_name: client.name.clone(),
            redirect_uri: reply.redirect_uri.clone(),
            redirect_uri_given: parameters.get("redirect_uri").is_some(),
            response_mode,
            scopes: scopes(client, parameters)?,
            state: state.map(str::to_owned),
            code_challenge,
            nonce: parameters.get("nonce").map(str::to_owned),
            resources: match instance.settings.resource_indicators {
                ResourceIndicators::Strict => resources(parameters)?,
                ResourceIndicators::Legacy => Vec::new(),
            },
        },
        prompt(parameters)?,
    ))
}

fn response_mode(parameters: &Parameters) -> Option<ResponseMode> {
    match parameters.get("response_mode") {
        None | Some("query") => Some(ResponseMode::Query),
        Some("form_post") => Some(ResponseMode::FormPost),
        Some(_) => None,
    }
}

/// RFC 7636 §4.3 and §4.4.1: S256 only, and required of clients that have no secret.
fn code_challenge(client: &Client, parameters: &Parameters) -> Result<Option<String>, OAuthError> {
    match (
        parameters.get("code_challenge"),
        parameters.get("code_challenge_method"),
    ) {
        (Some(challenge), Some("S256")) => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if challenge.len() == CODE_CHALLENGE_LENGTH && challenge.bytes().all(fits) {
                Ok(Some(challenge.to_owned()))
            } else {
                Err(OAuthError::invalid_request(
                    "code_challenge must be the base64url text of a SHA-256 digest",
                ))
            }
        }
        // RFC 7636 §4.3: a missing method means "plain", which is refused like any other.
        (Some(_), _) => Err(OAuthError::invalid_request("code_challenge_method must be S256")),
        (None, Some(_)) => Err(OAuthError::invalid_request("code_challenge is missing")),
        (None, None) if client.secret.is_none() => Err(OAuthError::invalid_request(
            "public clients must use PKCE: code_challenge is missing",
        )),
        (None, None) => Ok(None),
    }
}

fn scopes(client: &Client, parameters: &Parameters) -> Result<Scopes, OAuthError> {
    let Some(asked) = parameters
        .get("scope")
        .map(Scopes::parse)
        .filter(|scopes| !scopes.is_empty())
    else {
        return Ok(client.scopes.clone());
    };
    match asked.first_not_in(&client.scopes) {
        None => Ok(asked),
        Some(_) => Err(OAuthError::new(
            ErrorCode::InvalidScope,
            format!(
                "the client is registered for these scopes only: {}",
                client.scopes
            ),
        )),
    }
}

/// RFC 8707 §2: absolute URIs without a fragment.
fn resources(parameters: &Parameters) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in parameters.all("resource") {
        let url = url::Url::parse(resource)
            .ok()
            .filter(|url| url.fragment().is_none());
        if url.is_none() {
            return Err(OAuthError::new(
                ErrorCode::InvalidTarget,
                "resource must be an absolute URI without a fragment",
            ));
        }
        if !resources.iter().any(|one| one == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

/// OIDC Core §3.1.2.1. `login` and `consent` are what happens anyway.
fn prompt(parameters: &Parameters) -> Result<Prompt, OAuthError> {
    let values: Vec<&str> = parameters
        .get("prompt")
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    match values.as_slice() {
        ["none"] => Ok(Prompt::None),
        values if values.iter().all(|value| matches!(*value, "login" | "consent")) => Ok(Prompt::Ask),
        _ => Err(OAuthError::invalid_request(
            "prompt must be none alone, or login and consent",
        )),
    }
}
