//! The admin API: everything the library can change about a running local Clerk, over HTTP, for servers and tests in
//! any language. `GET /admin` describes it.
//!
//! It asks for no key, because whoever reaches the listener can act as anybody anyway; but pages of other origins in
//! a browser on this machine reach it, too, and are kept out by the [guard]. Nothing here is counted or logged with
//! the requests to Clerk, and no fault affects it.

mod guard;
mod operations;
mod tokens;
mod trouble;

use std::sync::Arc;

use poem::{
    Request, Response, Route,
    endpoint::make,
    http::{Method, StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    http::{incoming::Incoming, respond},
    store::{credentials::EndTokenError, endpoint::Endpoint, instance::Instance, people::DirectoryError},
    tokens::error::MintError,
};

/// Where it begins.
pub(crate) const PREFIX: &str = "/admin";

/// A refusal: status and a sentence for whoever wrote the request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AdminError {
    status: StatusCode,
    message: String,
}

impl AdminError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<DirectoryError> for AdminError {
    fn from(error: DirectoryError) -> Self {
        let status = match error {
            DirectoryError::UnknownUser(_)
            | DirectoryError::UnknownOrganization(_)
            | DirectoryError::UnknownRole(_)
            | DirectoryError::UnknownMachine(_)
            | DirectoryError::UnknownSession(_)
            | DirectoryError::NotAMember { .. } => StatusCode::NOT_FOUND,
            DirectoryError::AmbiguousUser(_) | DirectoryError::Taken(_) => StatusCode::CONFLICT,
            DirectoryError::Malformed(..) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<MintError> for AdminError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Directory(error) => error.into(),
            MintError::Specification(message) => Self::new(StatusCode::BAD_REQUEST, message),
        }
    }
}

impl From<EndTokenError> for AdminError {
    fn from(error: EndTokenError) -> Self {
        let status = match error {
            EndTokenError::Unknown => StatusCode::NOT_FOUND,
            EndTokenError::SelfContained => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

/// One operation.
struct Row {
    method: Method,
    path: &'static str,
    /// What it does, for whoever asks.
    what: &'static str,
    /// An example of its body; empty when it takes none.
    body: &'static str,
    handler: Handler,
}

/// Answers with the body of a 200, or an error.
type Handler = fn(&Instance, &Incoming) -> Result<Value, AdminError>;

#[rustfmt::skip]
static OPERATIONS: [Row; 25] = [
    row(Method::GET, "", "this description", "", describe),
    row(Method::GET, "/state", "users, organizations, roles, machines, keys", "", operations::state),
    row(Method::POST, "/users", "add a user", r#"{"first_name":"Mary","last_name":"Somerville","email":"mary@example.com"}"#, operations::add_user),
    row(Method::POST, "/users/:user/ban", "ban a user (id, email address or first name)", "", operations::ban),
    row(Method::POST, "/users/:user/unban", "lift a ban", "", operations::unban),
    row(Method::POST, "/users/:user/revoke-grants", "revoke what the user allowed any client", "", operations::revoke_grants),
    row(Method::POST, "/organizations", "add an organization", r#"{"name":"Celestial Mechanics"}"#, operations::add_organization),
    row(Method::PUT, "/organizations/:organization/members/:user", "make a user a member", r#"{"role":"org:admin"}"#, operations::add_member),
    row(Method::DELETE, "/organizations/:organization/members/:user", "end a membership", "", operations::remove_member),
    row(Method::POST, "/machines", "add a machine", r#"{"name":"reporter","scopes":["mch_..."]}"#, operations::add_machine),
    row(Method::PUT, "/client-documents", "use this document for a client id that is a URL, instead of fetching it", r#"{"url":"https://app.example.com/client.json","document":{"client_id":"https://app.example.com/client.json","client_name":"App","redirect_uris":["http://127.0.0.1:3000/callback"]}}"#, operations::pin_client_document),
    row(Method::PUT, "/sessions/:session", "change what became of a session: active, pending, revoked, ended, expired, removed, abandoned, replaced", r#"{"status":"revoked"}"#, operations::set_session),
    row(Method::PUT, "/auto-approve", "sign a user in without a page, or (null) show the page again", r#"{"user":"ada@example.com"}"#, operations::auto_approve),
    row(Method::POST, "/tokens", "mint a token: kind is session_token (version 1 or 2, organization), pending_session_token, impersonation_token (actor), template_token, oauth_token or opaque_oauth_token (client_id, scopes, resource), id_token, refresh_token, m2m_token or opaque_m2m_token (machine), api_key (subject); header and claims change members of a JWT, null removes them; raw_header, raw_claims, sign, damage and end make it wrong (clerk-mcp-conformance mint --help)", r#"{"kind":"session_token","user":"Ada","organization":"compiler-works","claims":{"exp":1}}"#, tokens::mint),
    row(Method::POST, "/tokens/revoke", "revoke an opaque token or key (id or itself), or a refresh token's grant", r#"{"token":"oat_..."}"#, tokens::revoke),
    row(Method::POST, "/tokens/expire", "let the same expire now", r#"{"token":"oat_..."}"#, tokens::expire),
    row(Method::POST, "/keys/rotate", "sign with a new key; with overlap the others stay published", r#"{"overlap":true}"#, trouble::rotate_key),
    row(Method::POST, "/keys", "publish one more key, before the others or (last) after them: that of a signer (instance, another_key, small_key, shared_secret) with members changed, null removes them; or whatever jwk is", r#"{"of":"another_key","members":{"kid":"ins_x","use":"enc"}}"#, trouble::publish_key),
    row(Method::DELETE, "/keys/:kid", "stop publishing a key", "", trouble::drop_key),
    row(Method::GET, "/faults", "the faults in force", "", trouble::faults),
    row(Method::POST, "/faults", "put a fault in force: fault is status (status), rate_limited (retry_after_seconds), down, malformed, truncated, huge (bytes), wrong_content_type, redirect (location), changed (members of the right answer, null removes them), reset, delay (milliseconds), hold; without endpoints it is everywhere, without times until it is cleared", r#"{"fault":"status","status":503,"endpoints":["jwks"],"times":2}"#, trouble::inject),
    row(Method::DELETE, "/faults", "end all faults; answers what they hold", "", trouble::clear_faults),
    row(Method::DELETE, "/faults/:id", "end one fault; answers what it holds", "", trouble::clear_fault),
    row(Method::GET, "/requests", "counters for each endpoint, and the last requests", "", trouble::requests),
    row(Method::DELETE, "/requests", "forget them", "", trouble::clear_requests),
];

const fn row(
    method: Method,
    path: &'static str,
    what: &'static str,
    body: &'static str,
    handler: Handler,
) -> Row {
    Row {
        method,
        path,
        what,
        body,
        handler,
    }
}

/// Whether there is an operation of this method at this path below the prefix, in which any part of a path will do for
/// those that it names.
pub fn is_operation(method: &str, path: &str) -> bool {
    OPERATIONS.iter().any(|row| {
        let (due, parts) = (row.path.split('/'), path.split('/'));
        row.method == method
            && due.clone().count() == parts.clone().count()
            && due
                .zip(parts)
                .all(|(due, part)| due == part || due.starts_with(':') && !part.is_empty())
    })
}

/// Adds every operation, and a catch-all below the prefix.
pub(crate) fn add_routes(mut route: Route, instance: &Arc<Instance>) -> Route {
    let mut paths: Vec<&'static str> = OPERATIONS.iter().map(|row| row.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        route = route.at(format!("{PREFIX}{path}"), operation(instance, Some(path)));
    }
    route.at(format!("{PREFIX}/*rest"), operation(instance, None))
}

fn operation(
    instance: &Arc<Instance>,
    path: Option<&'static str>,
) -> impl poem::Endpoint<Output = Response> + use<> {
    let instance = Arc::clone(instance);
    make(move |request| {
        let instance = Arc::clone(&instance);
        async move {
            let answer = serve(instance, path, request).await;
            respond::no_store(match answer {
                Ok(body) => respond::json(StatusCode::OK, &body),
                Err(error) => respond::json(error.status, &json!({ "error": error.message })),
            })
        }
    })
}

async fn serve(
    instance: Arc<Instance>,
    path: Option<&'static str>,
    request: Request,
) -> Result<Value, AdminError> {
    guard::check(&instance, &request)?;
    let nothing = || {
        AdminError::new(
            StatusCode::NOT_FOUND,
            "there is no such operation; GET /admin lists them",
        )
    };
    let path = path.ok_or_else(nothing)?;
    let row = OPERATIONS
        .iter()
        .find(|row| row.path == path && row.method == request.method())
        .ok_or_else(|| {
            AdminError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the path is right, but not the method; GET /admin lists them",
            )
        })?;
    let incoming = Incoming::read(request).await.map_err(|_| {
        AdminError::new(
            StatusCode::BAD_REQUEST,
            "the body cannot be read, or is too large",
        )
    })?;
    let handler = row.handler;
    // Making a key takes long enough to hold up everything else on this thread.
    tokio::task::spawn_blocking(move || handler(&instance, &incoming))
        .await
        .map_err(|error| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table of operations wants one type of handler"
)]
fn describe(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    let operations: Vec<Value> = OPERATIONS
        .iter()
        .map(|row| {
            let mut operation = json!({
                "method": row.method.as_str(),
                "path": format!("{PREFIX}{}", row.path),
                "what": row.what,
            });
            if let (false, Some(operation)) = (row.body.is_empty(), operation.as_object_mut()) {
                operation.insert(
                    "body".to_owned(),
                    serde_json::from_str(row.body).unwrap_or_default(),
                );
            }
            operation
        })
        .collect();
    let endpoints: Vec<&str> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
    Ok(json!({
        "about": format!("Changes the local Clerk on {}. Bodies are application/json.", instance.origin),
        "operations": operations,
        "endpoints": endpoints,
    }))
}

/// The body as what an operation takes. JSON, declared as such: a page of another origin cannot send that without
/// asking first.
fn body<T: DeserializeOwned>(incoming: &Incoming) -> Result<T, AdminError> {
    if !incoming.has_content_type(respond::JSON) {
        let message = format!(
            "the body must be {}, in a header {}",
            respond::JSON,
            header::CONTENT_TYPE
        );
        return Err(AdminError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    serde_json::from_slice(incoming.body())
        .map_err(|error| AdminError::new(StatusCode::BAD_REQUEST, error.to_string()))
}
