//! Checks the role that one tool requires.

use serde_json::Value;

use super::{caller::Caller, flaw::Flaw, jwt::unique_object, refusal::Refusal, server::Server};

const ADMIN: &str = "org:admin";

impl Server {
    /// Checks whether the caller has the role that the tool in this body requires.
    pub(crate) async fn check_role(&self, caller: &Caller, body: &[u8]) -> Result<(), Refusal> {
        let message = unique_object(body).unwrap_or_default();
        let tool = message.get("params").and_then(|params| params.get("name"));
        let is_checked = self.settings.admin_tool.is_some()
            && tool.and_then(Value::as_str) == self.settings.admin_tool.as_deref()
            && !self.has(Flaw::RoleUnchecked);
        let Some(user) = caller.user.as_deref().filter(|_| is_checked) else {
            return Ok(());
        };
        let (Some(organization), None, None) = (&caller.organization, &caller.session, &caller.role) else {
            let may_choose = caller.session.is_none() && caller.organization.is_none();
            return match caller.role.as_deref() {
                Some(ADMIN) => Ok(()),
                Some(role) if role.ends_with("admin") && self.has(Flaw::RoleSuffix) => Ok(()),
                _ if caller.session.is_some() && self.has(Flaw::RoleOfSessionsUnchecked) => Ok(()),
                None if may_choose && !self.has(Flaw::OrganizationNotRequested) => Err(Refusal::Scopes {
                    needed: vec!["user:org:read".to_owned()],
                    granted: caller.scopes.clone(),
                }),
                _ => Err(Refusal::Role),
            };
        };
        let known_admin = format!("admin {user} {organization}");
        if self.has(Flaw::LastRoleKept) && self.stored_callers.lock().contains_key(&known_admin) {
            return Ok(());
        }
        let caller = match self.fetch_memberships(caller, user).await {
            Ok(memberships) => self.with_membership(caller, &memberships),
            Err(_) if self.has(Flaw::OutageAsNoRole) => caller.clone(),
            Err(_) => return Err(Refusal::Unavailable(5)),
        };
        if caller.role.as_deref() != Some(ADMIN) {
            return Err(Refusal::Role);
        }
        self.stored_callers.lock().insert(known_admin, Caller::default());
        Ok(())
    }
}
