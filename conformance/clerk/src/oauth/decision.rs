//! The answer to the sign-in and consent page.

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

/// Takes who signs in, in which organization, and whether the client is allowed.
///
/// The transaction id is unguessable and works once, so another page cannot post a decision for a request it did not
/// see, and a decision cannot be posted twice.
pub(crate) fn decide(instance: &Instance, incoming: &Incoming) -> Response {
    let Some(form) = incoming.form() else {
        return page::error(StatusCode::BAD_REQUEST, "The decision must be a form.");
    };
    let transaction = form.get("transaction").unwrap_or_default();
    let Some(request) = instance
        .grants
        .lock()
        .close_transaction(transaction, instance.clock.now())
    else {
        return page::error(
            StatusCode::BAD_REQUEST,
            "This request was answered before, or has expired. Start again from your application.",
        );
    };
    let refuse = |code, description: &'static str| {
        let error = OAuthError::new(code, description);
        callback::refuse(instance, &Method::POST, &callback::Target::from(&request), &error)
    };
    if form.get("decision") != Some("allow") {
        return refuse(ErrorCode::AccessDenied, "the user denied the request");
    }
    let Some(user_id) = form.get("user") else {
        return refuse(ErrorCode::AccessDenied, "nobody signed in");
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
        return refuse(
            ErrorCode::AccessDenied,
            "the user is not a member of this organization",
        );
    }
    callback::approve(instance, &Method::POST, &request, user_id, organization_id)
}
