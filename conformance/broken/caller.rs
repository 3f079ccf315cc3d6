//! The authenticated caller of a request.

/// The user id that flaws use in place of the caller's.
pub(crate) const DEMO_USER: &str = "user_2sAdaLovelace0000000000000A";

/// An authenticated caller. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Caller {
    pub(crate) user: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) permissions: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) issued_at: Option<i64>,
    /// The token itself. Only flaws use it.
    pub(crate) token: String,
}
