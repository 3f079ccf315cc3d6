//! What a tool asks of its caller, checked before it runs.

use std::collections::BTreeMap;

use crate::session::{Denied, Session};

/// Scopes, a role and permissions that a caller must have, all of them.
/// A session must meet all that is asked:
///
/// ```
/// # use clerk_mcp::{policy::Requirement, session::{Denied, Session}};
/// fn may_bill(session: &Session) -> Result<(), Denied> {
///     Requirement::new().scopes(["billing:read"]).role("org:admin").check(session)
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    scopes: Vec<String>,
    role: Option<String>,
    permissions: Vec<String>,
}

impl Requirement {
    /// No requirement yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of these scopes. Session tokens have none, so they're refused.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// This role in the active organization, such as `org:admin`.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// All of these permissions in the active organization, such as `org:invoices:create`.
    #[must_use]
    pub fn permissions<S: Into<String>>(mut self, permissions: impl IntoIterator<Item = S>) -> Self {
        self.permissions.extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Holds `session` to the requirement.
    ///
    /// # Errors
    /// What is missing; scopes first, for those the client can ask for.
    pub fn check(&self, session: &Session) -> Result<(), Denied> {
        session.require_scopes(&self.scopes)?;
        if let Some(role) = &self.role {
            session.require_role(role)?;
        }
        self.permissions
            .iter()
            .try_for_each(|permission| session.require_permission(permission))
    }
}

/// The requirements of a server's tools, by name. A tool without one is for every authenticated caller.
///
/// ```
/// use clerk_mcp::policy::{Requirement, ToolPolicy};
///
/// let policy = ToolPolicy::new()
///     .require("list-invoices", Requirement::new().scopes(["invoices:read"]))
///     .require("delete-invoice", Requirement::new().role("org:admin").permissions(["org:invoices:delete"]));
/// # assert!(policy.of("list-invoices").is_some());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolPolicy(BTreeMap<String, Requirement>);

impl ToolPolicy {
    /// A policy that asks nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the requirement of a tool.
    #[must_use]
    pub fn require(mut self, tool: impl Into<String>, requirement: Requirement) -> Self {
        self.0.insert(tool.into(), requirement);
        self
    }

    /// The requirement of a tool, when it has one.
    pub fn of(&self, tool: &str) -> Option<&Requirement> {
        self.0.get(tool)
    }
}
