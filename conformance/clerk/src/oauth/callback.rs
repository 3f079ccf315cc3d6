//! The authorization response, which is sent to the client's redirect URI (RFC 6749 §4.1.2, RFC 9207).

use poem::{
    Response,
    http::{HeaderValue, Method, StatusCode, header},
};
use url::Url;

use super::{
    error::{ErrorCode, OAuthError},
    page,
};
use crate::{
    http::respond,
    store::{
        grants::{AuthorizationRequest, ResponseMode},
        instance::Instance,
    },
};

/// Where the authorization response is sent, and the `state` it must repeat.
pub(super) struct Target<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) response_mode: ResponseMode,
    pub(super) state: Option<&'a str>,
}

impl<'a> From<&'a AuthorizationRequest> for Target<'a> {
    fn from(request: &'a AuthorizationRequest) -> Self {
        Self {
            redirect_uri: &request.redirect_uri,
            response_mode: request.response_mode,
            state: request.state.as_deref(),
        }
    }
}

/// Records the user's consent and sends an authorization code. Sends an error when the user cannot sign in.
pub(super) fn send_code(
    instance: &Instance,
    method: &Method,
    request: &AuthorizationRequest,
    user_id: &str,
    organization_id: Option<String>,
) -> Response {
    let target = Target::from(request);
    if instance
        .directory
        .read()
        .user_by_id(user_id)
        .is_none_or(|user| user.banned)
    {
        let error = OAuthError::new(ErrorCode::AccessDenied, "the user is banned or does not exist");
        return send_error(instance, method, &target, &error);
    }
    let code = instance.grants.lock().approve(
        request,
        user_id,
        organization_id,
        instance.clock.now(),
        &instance.ids,
    );
    send(instance, method, &target, &[("code", &code)])
}

/// Sends an error response (RFC 6749 §4.1.2.1).
pub(super) fn send_error(
    instance: &Instance,
    method: &Method,
    target: &Target<'_>,
    error: &OAuthError,
) -> Response {
    let parameters = [
        ("error", error.code.as_str()),
        ("error_description", error.description.as_ref()),
    ];
    send(instance, method, target, &parameters)
}

fn send(
    instance: &Instance,
    method: &Method,
    target: &Target<'_>,
    parameters: &[(&'static str, &str)],
) -> Response {
    let mut parameters = parameters.to_vec();
    if let Some(state) = target.state {
        parameters.push(("state", state));
    }
    parameters.push(("iss", &instance.issuer));
    let response = match target.response_mode {
        ResponseMode::FormPost => page::form_post(target.redirect_uri, &parameters),
        ResponseMode::Query => redirect(method, target.redirect_uri, &parameters).unwrap_or_else(|| {
            page::error(
                StatusCode::BAD_REQUEST,
                "The browser cannot be redirected to the redirect_uri.",
            )
        }),
    };
    respond::no_store(response)
}

fn redirect(method: &Method, uri: &str, parameters: &[(&'static str, &str)]) -> Option<Response> {
    let mut url = Url::parse(uri).ok()?;
    // RFC 6749 §3.1.2: keeps the query of the redirect URI.
    url.query_pairs_mut().extend_pairs(parameters);
    let location = HeaderValue::from_str(url.as_str()).ok()?;
    // RFC 9700 §4.12: after a POST, browsers follow 303 with a GET, but may repeat the POST, credentials
    // included, for other codes.
    let status = if *method == Method::POST {
        StatusCode::SEE_OTHER
    } else {
        StatusCode::FOUND
    };
    Some(respond::with_header(
        respond::empty(status),
        header::LOCATION,
        location,
    ))
}
