//! The authorization response: what goes back to the client's redirect URI (RFC 6749 §4.1.2, RFC 9207).

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

/// Where an answer goes and what it must repeat.
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

/// Records the user's consent and sends the code, unless the user may not sign in.
pub(super) fn approve(
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
        let error = OAuthError::new(ErrorCode::AccessDenied, "this user cannot sign in");
        return refuse(instance, method, &target, &error);
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

/// Sends an error.
pub(super) fn refuse(
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
                "The redirect_uri cannot be redirected to.",
            )
        }),
    };
    respond::no_store(response)
}

fn redirect(method: &Method, uri: &str, parameters: &[(&'static str, &str)]) -> Option<Response> {
    let mut url = Url::parse(uri).ok()?;
    // Adds to a query that is there already (RFC 6749 §3.1.2).
    url.query_pairs_mut().extend_pairs(parameters);
    let location = HeaderValue::from_str(url.as_str()).ok()?;
    // After a POST only 303 makes every browser follow with a GET (RFC 9700 §4.12).
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
