//! Admission of messages: checks what the policy requires of the caller, before a tool runs.

use std::sync::Arc;

use poem::{Request, http::HeaderMap};

use super::{
    McpSettings,
    audit::AuditedCall,
    message::{Message, Purpose},
    sessions::is_sessionless,
};
use crate::{
    auth::AuthError, clerk::ClerkClient, membership::with_membership, policy::Requirement, session::Session,
};

/// Returns whether a caller without a token may send this message: discovery and calls of public tools, if
/// the policy allows them. Every other message needs a token, including methods that are not known here.
///
/// The body decides, because rmcp runs what the body says. `Mcp-Method` and `Mcp-Name` must agree with the
/// body, in every revision: a proxy in front may have decided by these headers.
pub(super) fn is_public(message: &Message<'_>, headers: &HeaderMap, settings: &McpSettings) -> bool {
    let policy = &settings.policy;
    let Some(method) = message
        .method
        .as_deref()
        .filter(|_| policy.has_public_discovery())
    else {
        return false;
    };
    let (is_public, name) = match &message.purpose {
        Purpose::ToolCall(tool) => (policy.is_public(tool), Some(&**tool)),
        Purpose::Initialize => (true, None),
        Purpose::OtherRequest => (PUBLIC_REQUESTS.contains(&method), None),
        // A client of 2025-11-25 or earlier sends it after `initialize`.
        Purpose::NotARequest => (method == "notifications/initialized", None),
        Purpose::Listen => (false, None),
    };
    // With MCP sessions on, `initialize` opens a session, and every message of an older revision needs one.
    // A session belongs to a user, so an anonymous caller cannot have one.
    let needs_session =
        settings.sessions.is_some() && (!is_sessionless(headers) || message.purpose == Purpose::Initialize);
    let agrees = |header, value: Option<&str>| {
        let mut repeated = headers.get_all(header).iter();
        repeated.all(|given| value.is_some_and(|value| given == value))
    };
    is_public && !needs_session && agrees("mcp-method", Some(method)) && agrees("mcp-name", name)
}

/// Checks the requirement of `tool`, and logs the call if it is rejected. Otherwise puts the tool's session
/// and the audited call into the extensions of `request`; `mcp::handler` logs the outcome of the call.
pub(super) async fn admit(
    tool: &str,
    session: Option<&Arc<Session>>,
    request: &mut Request,
    client: &ClerkClient,
    settings: &McpSettings,
) -> Result<(), AuthError> {
    let requirement = settings.policy.of(tool);
    let call = settings
        .audit
        .then(|| Arc::new(AuditedCall::start(tool, requirement, session, request)));
    if let Some(requirement) = requirement {
        let checked = match session {
            // Boxed, so that tools without a requirement do not pay for the memory of a lookup.
            Some(session) => Box::pin(check(requirement, session, client, settings)).await,
            None => Err(AuthError::NO_TOKEN),
        };
        match checked {
            Ok(session) => {
                request.extensions_mut().insert(session);
            }
            Err(error) => {
                if let Some(call) = call {
                    call.rejected(error.reason());
                }
                return Err(error);
            }
        }
    }
    if let Some(call) = call {
        request.extensions_mut().insert(call);
    }
    Ok(())
}

/// Checks a requirement. Returns the session for the tool, with role and permissions if the requirement uses
/// them. Does not call Clerk if the token is rejected for its scopes.
async fn check(
    requirement: &Requirement,
    session: &Arc<Session>,
    client: &ClerkClient,
    settings: &McpSettings,
) -> Result<Arc<Session>, AuthError> {
    requirement.check_scopes(session, &settings.challenge.required_scopes)?;
    let mut session = Arc::clone(session);
    if requirement.needs_organization() {
        session = with_membership(session, client).await?;
    }
    requirement.check(&session)?;
    Ok(session)
}

/// The requests, besides `initialize`, with which a client discovers a server.
const PUBLIC_REQUESTS: [&str; 3] = ["ping", "server/discover", "tools/list"];
