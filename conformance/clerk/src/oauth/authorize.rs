//! The authorization endpoint: checks the request, then shows the sign-in and consent page (RFC 6749 §4.1.1).

use poem::{
    Response,
    http::{Method, StatusCode},
};

use super::{
    callback, client_document,
    error::{ErrorCode, OAuthError},
    form, page, redirect_uri,
};
use crate::{
    http::{incoming::Incoming, parameters::Parameters},
    store::{
        grants::{AuthorizationRequest, Client, ResponseMode},
        instance::Instance,
        scope::{self, Scopes},
    },
};

/// The minimum length of `state`, as at Clerk: a shorter one can be guessed.
const MIN_STATE_LENGTH: usize = 8;
/// The length of a SHA-256 digest in base64url (RFC 7636 §4.2).
const CODE_CHALLENGE_LENGTH: usize = 43;

/// An error that is shown to the user, because the client id or redirect URI is not trusted (RFC 6749
/// §4.1.2.1).
struct PageError(&'static str);

/// Returns the error page for a client ID metadata document that cannot be used.
pub(crate) fn no_client(reason: &client_document::ClientDocumentError) -> Response {
    page::error(StatusCode::BAD_REQUEST, &reason.to_string())
}

/// Answers an authorization request with a page, or with a redirect to the client.
pub(crate) fn authorize(instance: &Instance, incoming: &Incoming) -> Response {
    let parameters = if incoming.method() == Method::POST {
        match incoming.form() {
            Some(form) => form,
            None => {
                return page::error(
                    StatusCode::BAD_REQUEST,
                    "The request body must be application/x-www-form-urlencoded.",
                );
            }
        }
    } else {
        incoming.query()
    };
    let client = match client(instance, &parameters) {
        Ok(client) => client,
        Err(PageError(reason)) => return page::error(StatusCode::BAD_REQUEST, reason),
    };
    let redirect_uri = match redirect_target(&client, &parameters) {
        Ok(redirect_uri) => redirect_uri,
        Err(PageError(reason)) => return page::error(StatusCode::BAD_REQUEST, reason),
    };
    // The redirect URI belongs to the client, so all other errors are sent there.
    match parse_request(instance, &client, &redirect_uri, &parameters) {
        Ok((request, prompt)) => answer(instance, request, prompt),
        Err(error) => {
            let target = callback::Target {
                redirect_uri: &redirect_uri,
                // An invalid mode is an error, which is sent in the default mode.
                response_mode: response_mode(&parameters).unwrap_or_default(),
                state: parameters.get("state"),
            };
            callback::send_error(instance, incoming.method(), &target, &error)
        }
    }
}

/// Answers a valid request: without a page when a user is approved automatically, otherwise with the consent
/// page.
fn answer(instance: &Instance, request: AuthorizationRequest, prompt: Prompt) -> Response {
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
            callback::send_code(instance, &Method::GET, &request, &user_id, organization_id)
        }
        // Without automatic approval, no user is signed in before the page is shown.
        (None, Prompt::None) => callback::send_error(
            instance,
            &Method::GET,
            &callback::Target::from(&request),
            &OAuthError::new(
                ErrorCode::LoginRequired,
                "prompt is none, but no user is signed in",
            ),
        ),
        (None, Prompt::Interactive) => {
            let consent = page::Consent::new(&instance.directory.read(), &instance.settings, &request);
            let transaction =
                instance
                    .grants
                    .lock()
                    .open_transaction(request, instance.clock.now(), &instance.ids);
            page::consent(&consent, &transaction)
        }
    }
}

fn client(instance: &Instance, parameters: &Parameters) -> Result<Client, PageError> {
    if ["client_id", "redirect_uri"]
        .iter()
        .any(|name| parameters.all(name).nth(1).is_some())
    {
        return Err(PageError(
            "The parameters client_id and redirect_uri must not appear more than once.",
        ));
    }
    let client_id = parameters
        .get("client_id")
        .ok_or(PageError("The parameter client_id is missing."))?;
    if client_document::is_url(client_id) && !instance.settings.client_id_metadata_documents {
        return Err(PageError(
            "The client_id is a URL, but this instance has client ID metadata documents turned off. Start the local Clerk \
             without --no-client-documents, or let the client register dynamically.",
        ));
    }
    let grants = instance.grants.lock();
    let client = grants.client(client_id).cloned();
    client.ok_or(PageError(
        "No client is registered with this client_id. The local Clerk loses its registered clients when it \
         stops. Clear the authentication of this server in your client, or remove the server and add it again. \
         Then retry.",
    ))
}

fn redirect_target(client: &Client, parameters: &Parameters) -> Result<String, PageError> {
    match (parameters.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(requested), registered)
            if registered
                .iter()
                .any(|registered| redirect_uri::matches(registered, requested)) =>
        {
            Ok(requested.to_owned())
        }
        (Some(_), _) => Err(PageError("The redirect_uri is not registered for this client.")),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(PageError(
            "The parameter redirect_uri is missing. The client has several redirect URIs, so it is required.",
        )),
    }
}

/// Whether the sign-in and consent page may be shown (`prompt`, OIDC Core §3.1.2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompt {
    Interactive,
    None,
}

fn parse_request(
    instance: &Instance,
    client: &Client,
    redirect_uri: &str,
    parameters: &Parameters,
) -> Result<(AuthorizationRequest, Prompt), OAuthError> {
    form::check_repeated(parameters, &["resource"])?;
    let response_mode = response_mode(parameters)
        .ok_or_else(|| OAuthError::invalid_request("response_mode must be query or form_post"))?;
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(OAuthError::new(
                ErrorCode::UnsupportedResponseType,
                "response_type must be code",
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
            return Err(OAuthError::invalid_request("state is required without PKCE"));
        }
        Some(_) | None => {}
    }
    Ok((
        AuthorizationRequest {
            client_id: client.id.clone(),
            client_name: client.name.clone(),
            redirect_uri: redirect_uri.to_owned(),
            redirect_uri_given: parameters.get("redirect_uri").is_some(),
            response_mode,
            scopes: scopes(client, parameters)?,
            state: state.map(str::to_owned),
            code_challenge,
            nonce: parameters.get("nonce").map(str::to_owned),
            resources: if instance.ignores_resources() {
                Vec::new()
            } else {
                resources(instance, parameters)?
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

/// Parses the code challenge (RFC 7636 §4.3 and §4.4.1). Only S256 is supported, and clients without a secret
/// must use PKCE.
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
                    "code_challenge must be a SHA-256 digest in base64url",
                ))
            }
        }
        // RFC 7636 §4.3: a missing method means "plain", which is not supported.
        (Some(_), _) => Err(OAuthError::invalid_request("code_challenge_method must be S256")),
        (None, Some(_)) => Err(OAuthError::invalid_request("code_challenge is missing")),
        (None, None) if client.secret.is_none() => Err(OAuthError::invalid_request(
            "public clients must use PKCE: code_challenge is missing",
        )),
        (None, None) => Ok(None),
    }
}

fn scopes(client: &Client, parameters: &Parameters) -> Result<Scopes, OAuthError> {
    let Some(requested) = parameters
        .get("scope")
        .map(Scopes::parse)
        .filter(|scopes| !scopes.is_empty())
    else {
        return Ok(client.scopes.clone());
    };
    match requested.first_not_in(&client.scopes) {
        None => Ok(requested),
        Some(_) => Err(OAuthError::new(
            ErrorCode::InvalidScope,
            format!(
                "scope may contain only the scopes that the client is registered for: {}",
                client.scopes
            ),
        )),
    }
}

/// Returns the requested resources: absolute URIs without a fragment (RFC 8707 §2), all of them registered.
fn resources(instance: &Instance, parameters: &Parameters) -> Result<Vec<String>, OAuthError> {
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
        if !instance.grants_resource(resource) {
            return Err(OAuthError::new(
                ErrorCode::InvalidTarget,
                "resource is not registered; register it with --register-resource or PUT /admin/resources",
            ));
        }
        if !resources.iter().any(|one| one == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

/// Parses `prompt`. `login` and `consent` change nothing, because the page always asks for both.
fn prompt(parameters: &Parameters) -> Result<Prompt, OAuthError> {
    let values: Vec<&str> = parameters
        .get("prompt")
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    match values.as_slice() {
        ["none"] => Ok(Prompt::None),
        values if values.iter().all(|value| matches!(*value, "login" | "consent")) => Ok(Prompt::Interactive),
        _ => Err(OAuthError::invalid_request(
            "prompt must be none, or a list of login and consent",
        )),
    }
}
