//! [`with_membership`]: looks up the caller's role and permissions, for tools, the policy and lists of tools.

use std::sync::Arc;

use crate::{
    clerk::{ClerkClient, ClerkError},
    session::Session,
};

/// Returns the session with the user's role and permissions, at most 30 s old, if its token does not contain
/// them. A user who is not a member of the organization that the token names has none. **The lookup never
/// uses another organization of the user**, and never a result of more than 30 s ago, not even while Clerk is
/// unavailable. Leaves out system permissions.
pub(crate) async fn with_membership(
    session: Arc<Session>,
    client: &ClerkClient,
) -> Result<Arc<Session>, ClerkError> {
    let Some((user, organization)) = session.membership_to_look_up() else {
        return Ok(session);
    };
    let membership = client.organization_membership(user, organization).await?;
    let mut session = Arc::unwrap_or_clone(session);
    (
        session.organization_slug,
        session.organization_role,
        session.organization_permissions,
    ) = match membership.as_deref() {
        Some(one) => (
            one.organization.slug.clone(),
            Some(one.role.clone()),
            // Session tokens never contain system permissions. A tool must not depend on the kind of token.
            one.permissions
                .iter()
                .filter(|permission| !permission.starts_with("org:sys_"))
                .cloned()
                .collect(),
        ),
        None => (None, None, Vec::new()),
    };
    Ok(Arc::new(session))
}
