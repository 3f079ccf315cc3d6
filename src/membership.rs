//! [`with_membership`]: completes a session with the caller's role and permissions, from Clerk or the cache.

use std::sync::Arc;

use crate::{
    clerk::{ClerkClient, ClerkError},
    session::Session,
};

/// Adds the role and permissions of an OAuth caller to the session, from a lookup that is at most 30 s old, even
/// while Clerk is unavailable. Returns any other session unchanged. If the user is not a member of the
/// organization that the token names, role and permissions stay empty. **The lookup never uses another
/// organization of the user.** System permissions are left out.
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
