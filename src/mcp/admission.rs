//! Admission of tool calls: checks what the policy requires of the caller, before the tool runs.

use std::sync::Arc;

use poem::Request;

use super::{McpSettings, audit::AuditedCall};
use crate::{auth::AuthError, clerk::ClerkClient, context, policy::Requirement, session::Session};

/// Checks the requirement of `tool`. Puts the session that the tool gets into `request`, and the audited call:
/// `WithSession` logs its outcome. A rejected call is logged here.
pub(super) async fn admit(
    tool: &str,
    session: &Arc<Session>,
    request: &mut Request,
    client: &ClerkClient,
    settings: &McpSettings,
) -> Result<(), AuthError> {
    let requirement = settings.policy.of(tool);
    let call = settings
        .audit
        .then(|| Arc::new(AuditedCall::start(tool, requirement, session, request)));
    if let Some(requirement) = requirement {
        match check(requirement, session, client).await {
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

/// Checks a requirement. Returns the session for the tool, with role and permissions if the requirement needs
/// them. Clerk is not asked about a token that is rejected anyway.
async fn check(
    requirement: &Requirement,
    session: &Arc<Session>,
    client: &ClerkClient,
) -> Result<Arc<Session>, AuthError> {
    requirement.check_scopes(session)?;
    let mut session = Arc::clone(session);
    if requirement.needs_organization() {
        session = context::with_membership(session, client).await?;
    }
    requirement.check(&session)?;
    Ok(session)
}
