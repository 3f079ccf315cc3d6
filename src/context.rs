//! [`get_session`], [`get_user`], [`get_organization`] and [`get_client`]: the caller and the Backend API
//! client, anywhere inside a tool.
//!
//! They read a task-local that is set for each MCP request, so they work in all code that a tool awaits. They
//! do not work in a task that the tool spawns: pass the session to it.

use std::{cell::RefCell, sync::Arc};

use thiserror::Error;

use crate::{
    clerk::{ClerkClient, ClerkError, User},
    id::OrganizationId,
    membership::with_membership,
    session::{NoUser, Session},
};

tokio::task_local! {
    /// `None` while an anonymous caller's request runs.
    static CONTEXT: Option<CallContext>;
}

/// The caller's session and the Backend API client of one MCP request.
#[derive(Debug)]
pub(crate) struct CallContext {
    /// [`get_organization`] replaces it by a session with role and permissions.
    session: RefCell<Arc<Session>>,
    client: ClerkClient,
}

impl CallContext {
    pub(crate) fn new(session: Arc<Session>, client: ClerkClient) -> Self {
        Self {
            session: RefCell::new(session),
            client,
        }
    }

    /// Calls `read` with the context of this request, and returns its result. Outside of a request, returns
    /// the error `outside`.
    fn read<T>(read: impl FnOnce(&Self) -> T, outside: NoCaller) -> Result<T, NoCaller> {
        CONTEXT
            .try_with(|context| context.as_ref().map(read).ok_or(NoCaller::Anonymous))
            .unwrap_or(Err(outside))
    }
}

/// Runs `call` with this context, or as the call of an anonymous caller.
pub(crate) async fn scope<F: Future>(context: Option<CallContext>, call: F) -> F::Output {
    CONTEXT.scope(context, call).await
}

/// Returns the caller's session. A task that a tool spawns has no session; pass it one:
///
/// ```
/// # use clerk_mcp::{context, mcp::ToolError};
/// async fn in_a_tool() -> Result<(), ToolError> {
///     let session = context::get_session()?;
///     tokio::spawn(async move { eprintln!("on behalf of {}", session.subject) });
///     Ok(())
/// }
/// // This code does not run inside a tool.
/// assert_eq!(context::get_session(), Err(context::NoCaller::Session));
/// assert_eq!(context::get_client().unwrap_err(), context::NoCaller::Client);
/// ```
///
/// # Errors
/// [`NoCaller::Session`] outside of an MCP request, and [`NoCaller::Anonymous`] if the caller has no token.
pub fn get_session() -> Result<Arc<Session>, NoCaller> {
    CallContext::read(|context| Arc::clone(&context.session.borrow()), NoCaller::Session)
}

/// Returns the Backend API client of the server's Clerk application.
///
/// ```
/// # use clerk_mcp::{context, mcp::ToolError};
/// async fn in_a_tool() -> Result<usize, ToolError> {
///     let session = context::get_session()?;
///     Ok(context::get_client()?.organization_memberships(session.require_user()?).await?.len())
/// }
/// ```
///
/// # Errors
/// [`NoCaller::Client`] outside of an MCP request, and [`NoCaller::Anonymous`] if the caller has no token.
pub fn get_client() -> Result<ClerkClient, NoCaller> {
    CallContext::read(|context| context.client.clone(), NoCaller::Client)
}

/// Fetches the caller's user from Clerk. The result may be up to 30 s old.
///
/// ```
/// # use clerk_mcp::{context, mcp::ToolError};
/// async fn in_a_tool() -> Result<String, ToolError> {
///     let user = context::get_user().await?;
///     user.primary_email().map(str::to_owned).ok_or_else(|| ToolError::failed("You have no email address."))
/// }
/// ```
///
/// # Errors
/// [`GetUserError`]: outside of an authenticated MCP request, for a token that does not belong to a user, for
/// a user who is banned, locked or deprovisioned, and when the call to Clerk fails.
pub async fn get_user() -> Result<Arc<User>, GetUserError> {
    let session = get_session()?;
    let user = get_client()?.user(session.require_user()?).await?;
    if user.banned || user.locked || user.deprovisioned {
        Err(GetUserError::Banned)
    } else {
        Ok(user)
    }
}

/// Returns the active organization with the caller's role and permissions, or `None` if the token names no
/// organization.
///
/// A session token contains them. For an OAuth token, which names only the organization, the caller's
/// membership is fetched from Clerk; it may be up to 30 s old. Afterwards [`get_session`] also returns the
/// role and the permissions.
///
/// ```
/// # use clerk_mcp::{context::{ActiveOrganization, get_organization}, mcp::ToolError};
/// async fn in_a_tool() -> Result<String, ToolError> {
///     Ok(match get_organization().await? {
///         Some(ActiveOrganization { id, role: Some(role), .. }) => format!("{role} in {id}"),
///         Some(_) | None => "no role".to_owned(),
///     })
/// }
/// ```
///
/// # Errors
/// [`GetOrganizationError`]: outside of an authenticated MCP request, for a caller who is not a member of
/// the organization, and when the call to Clerk fails.
pub async fn get_organization() -> Result<Option<ActiveOrganization>, GetOrganizationError> {
    let session = with_membership(get_session()?, &get_client()?).await?;
    let looked_up = Arc::clone(&session);
    CallContext::read(|context| context.session.replace(looked_up), NoCaller::Session)?;
    let Some(id) = session.organization_id.clone() else {
        return Ok(None);
    };
    // The lookup is done. An OAuth caller without a role is not a member.
    if session.membership_to_look_up().is_some() && session.organization_role.is_none() {
        return Err(GetOrganizationError::NotAMember);
    }
    Ok(Some(ActiveOrganization {
        id,
        slug: session.organization_slug.clone(),
        role: session.organization_role.clone(),
        permissions: session.organization_permissions.clone(),
    }))
}

/// The active organization of the caller, as [`get_organization`] returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveOrganization {
    /// `org_…`.
    pub id: OrganizationId,
    /// Its slug.
    pub slug: Option<String>,
    /// The caller's role, such as `org:admin`. `None` if a session token or API key does not contain one.
    pub role: Option<String>,
    /// The caller's permissions, such as `org:invoices:create`.
    pub permissions: Vec<String>,
}

/// There is no authenticated caller. Either the function was called outside a tool, for example in a task that a
/// tool spawned; or the server is not mounted behind [`RequireAuth`](crate::auth::RequireAuth); or the call has
/// no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoCaller {
    /// A function that needs the session was called outside of a tool.
    #[error(
        "[Clerk] Session not initialized. Call get_session() inside a tool of a server mounted behind RequireAuth; \
         hand the session to tasks that you spawn"
    )]
    Session,
    /// A function that needs the Backend API client was called outside of a tool.
    #[error(
        "[Clerk] Client not initialized. Call get_client() inside a tool of a server mounted behind RequireAuth; \
         hand the client to tasks that you spawn"
    )]
    Client,
    /// The caller is anonymous: the tool is [public](crate::policy::ToolPolicy::public), and the request has no
    /// token.
    #[error(
        "[Clerk] This call is anonymous: the tool is public and the request has no token. Sign in and call again"
    )]
    Anonymous,
}

/// Why [`get_user`] failed.
///
/// ```
/// use clerk_mcp::{context::{GetUserError, get_user}, mcp::ToolError};
///
/// async fn in_a_tool() -> Result<String, ToolError> {
///     match get_user().await {
///         Ok(user) => Ok(user.id.to_string()),
///         Err(GetUserError::NoUser(_)) => Ok("a machine".to_owned()),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GetUserError {
    /// The call was made outside of a tool, or the caller has no token.
    #[error(transparent)]
    NoCaller(#[from] NoCaller),
    /// The token does not belong to a user.
    #[error(transparent)]
    NoUser(#[from] NoUser),
    /// The user is banned, locked or deprovisioned. Their tokens stay valid until they expire, so tools must
    /// reject them.
    #[error("This account is banned or locked. Trying again won't help; ask the application's support.")]
    Banned,
    /// The call to Clerk failed.
    #[error(transparent)]
    Clerk(#[from] ClerkError),
}

/// Why [`get_organization`] failed.
///
/// ```
/// use clerk_mcp::{context::{GetOrganizationError, get_organization}, mcp::ToolError};
///
/// async fn in_a_tool() -> Result<String, ToolError> {
///     match get_organization().await {
///         Err(GetOrganizationError::NotAMember) => Ok("Ask an admin to invite you again.".to_owned()),
///         other => Ok(format!("{:?}", other?)),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GetOrganizationError {
    /// The call was made outside of a tool, or the caller has no token.
    #[error(transparent)]
    NoCaller(#[from] NoCaller),
    /// The caller is not a member of the organization that the token names. The token stays valid, so tools
    /// must reject the caller.
    #[error("You are not a member of this organization anymore. Sign in again to choose another one.")]
    NotAMember,
    /// The call to Clerk failed.
    #[error(transparent)]
    Clerk(#[from] ClerkError),
}
