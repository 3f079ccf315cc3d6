//! The owner's policy: which identity may call which tool. The runner tries every cell of this matrix as a case
//! of its own, and the reports show the matrix.

mod cells;
mod matrix;

use std::collections::{BTreeMap, BTreeSet};

use local_clerk::mint::TokenKind;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::cells::{FORMER, cases, placeholder};
pub use self::matrix::{Cell, Matrix, Row};

/// Which identity may call which tool. Every other call must be denied.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The tools, by name.
    pub tools: BTreeMap<String, Tool>,
    /// The identities, by a name for the report: lowercase letters, digits and hyphens.
    pub identities: BTreeMap<String, Identity>,
}

/// A tool, and what a caller needs besides being allowed to call it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// The arguments of the call.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// The scopes that a token needs. Each identity that may call the tool is also tried without each of them.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// Whether callers need a role or permission in their organization. Each identity that may call the tool is
    /// also tried in a foreign organization, and after its membership has ended.
    #[serde(default)]
    pub organization: bool,
}

/// A kind of caller. The suite adds a user for it to the local Clerk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Whether the caller has no token.
    #[serde(default)]
    pub anonymous: bool,
    /// The kind of token: `oauth_token`, `session_token`, or `any` for the first of the two that the profile
    /// accepts.
    #[serde(default)]
    pub token: TokenKind,
    /// The scopes of an OAuth token. Default: the scopes of the profile.
    #[serde(default)]
    pub scopes: Option<BTreeSet<String>>,
    /// The role in the active organization: `org:admin`. Without a role and permissions, the caller is in no
    /// organization.
    #[serde(default)]
    pub role: Option<String>,
    /// The permissions of the role, for a role that the local Clerk does not have (it has `org:admin`,
    /// `org:member` and `org:billing_manager`). Without a name in `role`, the role has a name of its own.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The tools that the identity may call.
    #[serde(default)]
    pub calls: BTreeSet<String>,
}

impl Identity {
    /// Returns whether the caller is in an organization.
    pub(crate) fn is_member(&self) -> bool {
        self.role.is_some() || !self.permissions.is_empty()
    }

    /// Returns the key of the role.
    pub(crate) fn role_key(&self, name: &str) -> String {
        self.role.clone().unwrap_or_else(|| format!("org:policy-{name}"))
    }
}

impl Policy {
    /// Checks the policy. Returns a sentence that describes the first problem.
    pub(crate) fn validate(&self) -> Result<(), String> {
        for (name, identity) in &self.identities {
            let is_allowed = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
            if name.is_empty() || !name.chars().all(is_allowed) {
                return Err(format!(
                    "the identity {name:?} needs a name of lowercase letters, digits and hyphens"
                ));
            }
            if let Some(unknown) = identity.calls.iter().find(|tool| !self.tools.contains_key(*tool)) {
                return Err(format!(
                    "the identity {name:?} calls {unknown:?}, which is not in policy.tools"
                ));
            }
            if !matches!(
                identity.token,
                TokenKind::Any | TokenKind::OauthToken | TokenKind::SessionToken
            ) {
                return Err(format!(
                    "the identity {name:?} has the token {:?}: expected oauth_token or session_token",
                    identity.token.name()
                ));
            }
        }
        let is_called = |tool: &&String| self.identities.values().any(|one| one.calls.contains(*tool));
        match self.tools.keys().find(|tool| !is_called(tool)) {
            Some(tool) => Err(format!(
                "no identity may call {tool:?}, so that its denials would prove nothing: add one that may"
            )),
            None => Ok(()),
        }
    }
}
