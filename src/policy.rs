//! What a tool asks of its caller, checked before it runs.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::session::{Denied, Session};

/// Scopes, a role and permissions that a caller must have, all of them.
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
    roles: Vec<String>,
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
        add(&mut self.scopes, scopes);
        self
    }

    /// This role in the active organization, such as `org:admin`. A member has one role, so nobody meets two different ones.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        add(&mut self.roles, [role]);
        self
    }

    /// All of these permissions in the active organization, such as `org:invoices:create`.
    #[must_use]
    pub fn permissions<S: Into<String>>(mut self, permissions: impl IntoIterator<Item = S>) -> Self {
        add(&mut self.permissions, permissions);
        self
    }

    /// All that either asks.
    fn and(self, other: Self) -> Self {
        let mut both = self.scopes(other.scopes).permissions(other.permissions);
        add(&mut both.roles, other.roles);
        both
    }

    /// Holds `session` to the requirement.
    ///
    /// # Errors
    /// What is missing; scopes first, for those the client can ask for.
    pub fn check(&self, session: &Session) -> Result<(), Denied> {
        session.require_scopes(&self.scopes)?;
        self.roles
            .iter()
            .try_for_each(|role| session.require_role(role))?;
        self.permissions
            .iter()
            .try_for_each(|permission| session.require_permission(permission))
    }
}

/// Adds what isn't there yet.
fn add<S: Into<String>>(to: &mut Vec<String>, names: impl IntoIterator<Item = S>) {
    for name in names.into_iter().map(Into::into) {
        if !to.contains(&name) {
            to.push(name);
        }
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

    /// Asks this of a tool's callers, besides what was asked of them before.
    #[must_use]
    pub fn require(mut self, tool: impl Into<String>, requirement: Requirement) -> Self {
        let of_tool = self.0.entry(tool.into()).or_default();
        *of_tool = std::mem::take(of_tool).and(requirement);
        self
    }

    /// The tools that have a requirement.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The requirement of a tool, when it has one.
    pub fn of(&self, tool: &str) -> Option<&Requirement> {
        self.0.get(tool)
    }
}

/// A requirement that would protect nothing: the policy names a tool that the server doesn't have, which is taken for a slip of
/// the pen.
///
/// ```
/// # use clerk_mcp::{clerk::ClerkClient, mcp::{self, ExampleTools, McpSettings}, policy::{Requirement, ToolPolicy}};
/// fn mistyped(client: ClerkClient, mut settings: McpSettings) {
///     settings.policy = ToolPolicy::new().require("gret", Requirement::new().role("org:admin"));
///     let outcome = mcp::endpoint(ExampleTools::new("mine"), client, settings);
///     assert_eq!(outcome.err().unwrap().tool(), "gret");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the policy names a tool that the server doesn't have: {0}")]
pub struct UnknownTool(String);

impl UnknownTool {
    pub(crate) fn new(tool: &str) -> Self {
        Self(tool.to_owned())
    }

    /// The name that is in the policy.
    pub fn tool(&self) -> &str {
        &self.0
    }
}
