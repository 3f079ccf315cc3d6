//! The scopes, roles and permissions that a tool requires. They are checked before the tool runs.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::session::{Denied, Session, add_missing};

/// Scopes, roles and permissions, all of which a caller must have.
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
    /// Creates a requirement that every caller meets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires all of these scopes. Session tokens have no scopes, so they are rejected.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        add_missing(&mut self.scopes, scopes);
        self
    }

    /// Requires this role in the active organization, such as `org:admin`. A member has exactly one role, so
    /// no caller meets two different roles. For an OAuth token the role is looked up at Clerk, at most every
    /// 30 s; a token without an organization is rejected with a challenge for `user:org:read`.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        add_missing(&mut self.roles, [role]);
        self
    }

    /// Requires all of these permissions in the active organization, such as `org:invoices:create`. For OAuth
    /// tokens, see [`role`](Self::role). No caller has a system permission (`org:sys_…`), because Clerk
    /// leaves them out of session tokens: require a role or a custom permission instead.
    #[must_use]
    pub fn permissions<S: Into<String>>(mut self, permissions: impl IntoIterator<Item = S>) -> Self {
        add_missing(&mut self.permissions, permissions);
        self
    }

    /// Combines two requirements: a caller must meet both.
    fn and(self, other: Self) -> Self {
        let mut both = self.scopes(other.scopes).permissions(other.permissions);
        add_missing(&mut both.roles, other.roles);
        both
    }

    /// Returns whether the requirement includes a role or a permission.
    pub(crate) fn needs_organization(&self) -> bool {
        !self.roles.is_empty() || !self.permissions.is_empty()
    }

    /// Returns all scopes that an OAuth token needs to meet the requirement.
    pub(crate) fn scopes_to_request(&self) -> Vec<String> {
        let mut all = self.scopes.clone();
        if self.needs_organization() {
            add_missing(&mut all, [ORGANIZATION_SCOPE]);
        }
        all
    }

    /// Checks what needs no lookup: the scopes, and whether an OAuth token names an organization if one is
    /// needed. The error also names `required_scopes`, which every request needs: a client that is granted
    /// exactly the scopes of the error must be accepted (MCP, "Scope Challenge Handling").
    pub(crate) fn check_scopes(&self, session: &Session, required_scopes: &[String]) -> Result<(), Denied> {
        let lacks_organization = self.needs_organization() && session.may_choose_organization();
        if lacks_organization || session.require_scopes(&self.scopes).is_err() {
            let mut needed = required_scopes.to_vec();
            add_missing(&mut needed, self.scopes_to_request());
            return Err(session.lacks_scopes(needed));
        }
        Ok(())
    }

    /// Checks whether `session` meets the requirement. The session of an OAuth token has a role and
    /// permissions only after [`get_organization`](crate::context::get_organization) has looked them up.
    ///
    /// # Errors
    /// [`Denied`] names what is missing. Scopes are checked first, because the client can request them.
    pub fn check(&self, session: &Session) -> Result<(), Denied> {
        self.check_scopes(session, &[])?;
        self.roles
            .iter()
            .try_for_each(|role| session.require_role(role))?;
        self.permissions
            .iter()
            .try_for_each(|permission| session.require_permission(permission))
    }
}

/// The scope with which Clerk lets the user choose an organization for an OAuth token.
const ORGANIZATION_SCOPE: &str = "user:org:read";

/// The requirements of a server's tools, by name. Every authenticated caller may call a tool without a
/// requirement.
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
pub struct ToolPolicy {
    requirements: BTreeMap<String, Requirement>,
    public: BTreeSet<String>,
    public_discovery: bool,
    pub(crate) listing: ToolListing,
}

/// Which tools `tools/list` returns.
///
/// ```
/// use clerk_mcp::policy::{ToolListing, ToolPolicy};
///
/// let policy = ToolPolicy::new().listing(ToolListing::Allowed);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ToolListing {
    /// All tools. The client can call one that needs further scopes, and the user grants them then.
    #[default]
    All,
    /// The tools that the caller may call: without a token, the [public](ToolPolicy::public) ones. A lost
    /// role takes effect within 30 s.
    Allowed,
}

impl ToolPolicy {
    /// Creates a policy without requirements.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a requirement to a tool. Requirements added earlier stay in force.
    #[must_use]
    pub fn require(mut self, tool: impl Into<String>, requirement: Requirement) -> Self {
        let of_tool = self.requirements.entry(tool.into()).or_default();
        *of_tool = std::mem::take(of_tool).and(requirement);
        self
    }

    /// Sets which tools `tools/list` returns.
    #[must_use]
    pub fn listing(mut self, listing: ToolListing) -> Self {
        self.listing = listing;
        self
    }

    /// Lets callers without a token call `tool`, and [discover](Self::public_discovery) the server. By
    /// default, every call needs a token.
    ///
    /// Such a caller is anonymous: [`get_session`](crate::context::get_session),
    /// [`get_client`](crate::context::get_client) and the other functions of that module fail in the tool. A
    /// caller with a token is known to the tool as usual; **an invalid token is rejected, also for a public
    /// tool**. A [requirement](Self::require) of the same tool stays in force: then the tool is not public. A
    /// request whose headers `Mcp-Method` or `Mcp-Name` contradict its message needs a token, too.
    ///
    /// ```
    /// use clerk_mcp::{context, mcp::ToolError, policy::ToolPolicy};
    ///
    /// let policy = ToolPolicy::new().public("list-plans");
    ///
    /// async fn list_plans() -> Result<String, ToolError> {
    ///     Ok(match context::get_session() {
    ///         Ok(session) => format!("The plans for {}: free, pro", session.subject),
    ///         Err(context::NoCaller::Anonymous) => "The plans: free, pro".to_owned(),
    ///         Err(error) => return Err(error.into()),
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn public(mut self, tool: impl Into<String>) -> Self {
        self.public.insert(tool.into());
        self.public_discovery()
    }

    /// Lets callers without a token send `initialize`, `server/discover`, `tools/list` and `ping`. A client
    /// can then show the tools before its user signs in. By default, these requests need a token too.
    ///
    /// With [MCP sessions](crate::app::AppBuilder::sessions), this applies only to requests of 2026-07-28: a
    /// session belongs to a user.
    #[must_use]
    pub fn public_discovery(mut self) -> Self {
        self.public_discovery = true;
        self
    }

    /// Returns whether a caller without a token may call this tool.
    pub(crate) fn is_public(&self, tool: &str) -> bool {
        self.public.contains(tool) && self.of(tool).is_none()
    }

    /// Returns whether a caller without a token may discover the server.
    pub(crate) fn has_public_discovery(&self) -> bool {
        self.public_discovery
    }

    /// Returns the names of the tools that have a requirement or are public.
    pub(crate) fn tools(&self) -> impl Iterator<Item = &str> {
        self.requirements.keys().chain(&self.public).map(String::as_str)
    }

    /// Returns `scopes` and the scopes of all requirements, without repetition.
    pub(crate) fn with_tool_scopes(&self, mut scopes: Vec<String>) -> Vec<String> {
        for requirement in self.requirements.values() {
            add_missing(&mut scopes, requirement.scopes_to_request());
        }
        scopes
    }

    /// Returns the requirement of a tool, if it has one.
    pub fn of(&self, tool: &str) -> Option<&Requirement> {
        self.requirements.get(tool)
    }
}

/// The policy names a tool that the server does not have. This is treated as a typo and rejected, because a
/// requirement would protect nothing.
///
/// ```
/// # use clerk_mcp::{clerk::ClerkClient, mcp::{self, ExampleTools, McpSettings}, policy::{Requirement, ToolPolicy}};
/// fn mistyped(client: ClerkClient, mut settings: McpSettings) {
///     settings.policy = ToolPolicy::new().require("gret", Requirement::new().role("org:admin"));
///     let outcome = mcp::endpoint(ExampleTools::new("mine"), client, settings);
///     assert_eq!(outcome.err().unwrap().0, "gret");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the policy names a tool that the server does not have: {0}")]
pub struct UnknownTool(pub String);
