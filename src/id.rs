//! Clerk's ids. Each kind has its own type, so that ids cannot be confused. The types do not validate the
//! text.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Returns the text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A user, `user_…`.
    UserId;
    /// An organization, `org_…`.
    OrganizationId;
    /// A user's membership in an organization, `orgmem_…`.
    MembershipId;
    /// A user's session at Clerk, `sess_…`: the claim `sid`. Not an MCP session.
    ClerkSessionId;
    /// An OAuth client: letters and digits, or the URL of a client ID metadata document.
    ClientId;
}
