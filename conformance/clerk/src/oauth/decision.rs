//! The endpoint that the form of the sign-in and consent page is posted to.

use poem::{
    Response,
    http::{Method, StatusCode},
};

use super::{
    callback,
    error::{ErrorCode, OAuthError},
    page,
};
use crate::{
    http::incoming::Incoming,
    store::{instance::Instance, scope},
};

/// Reads the selected user and organization and whether the client was allowed, then sends the authorization
/// response.
///
/// The transaction id is unguessable and works once. So another page cannot forge a decision, and a decision
/// cannot be posted twice.
pub(crate) fn decide(instance: &Instance, incoming: &Incoming) -> Response {
    let Some(form) = incoming.form() else {
        return page::error(
            StatusCode::BAD_REQUEST,
            "The request body must be application/x-www-form-urlencoded.",
        );
    };
    let transaction = form.get("transaction").unwrap_or_default();
    let Some(request) = instance
        .grants
        .lock()
        .close_transaction(transaction, instance.clock.now())
    else {
        return page::error(
            StatusCode::BAD_REQUEST,
            "This sign-in request has expired or was already answered. Start again from your application.",
        );
    };
    let send_error = |code, description: &'static str| {
        let error = OAuthError::new(code, description);
        callback::send_error(instance, &Method::POST, &callback::Target::from(&request), &error)
    };
    if form.get("decision") != Some("allow") {
        return send_error(ErrorCode::AccessDenied, "the user denied the request");
    }
    let Some(user_id) = form.get("user") else {
        return send_error(ErrorCode::AccessDenied, "no user was selected");
    };
    let organization_id = form
        .get(&page::organization_field(user_id))
        .filter(|_| request.scopes.contains(scope::ORGANIZATION))
        .map(str::to_owned);
    if let Some(organization_id) = &organization_id
        && instance
            .directory
            .read()
            .member(user_id, organization_id)
            .is_err()
    {
        return send_error(
            ErrorCode::AccessDenied,
            "the user is not a member of the selected organization",
        );
    }
    callback::send_code(instance, &Method::POST, &request, user_id, organization_id)
}
