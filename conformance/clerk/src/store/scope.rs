//! OAuth scopes and their descriptions on the consent page.

use std::fmt;

/// Clerk's own scopes, with their descriptions on the consent page.
const BUILT_IN: [(&str, &str); 7] = [
    ("openid", "Confirm who you are"),
    ("profile", "See your name and picture"),
    ("email", "See your email address"),
    ("public_metadata", "See your public metadata"),
    ("private_metadata", "See your private metadata"),
    ("offline_access", "Stay connected when you are away"),
    (ORGANIZATION, "See which organization you act for"),
];

/// The scope that requests an organization to act in.
pub(crate) const ORGANIZATION: &str = "user:org:read";

/// The scopes of a client that registers without `scope`, as at Clerk.
pub(crate) const DEFAULT: [&str; 3] = ["email", "offline_access", "profile"];

/// Returns Clerk's own scopes in the order of the metadata.
pub(crate) fn built_in<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// Returns the description of one of Clerk's own scopes.
pub(crate) fn description(scope: &str) -> Option<&'static str> {
    BUILT_IN
        .iter()
        .find(|(name, _)| *name == scope)
        .map(|(_, description)| *description)
}

/// A set of scopes in the order they were requested (RFC 6749 §3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<String>);

impl Scopes {
    /// Parses a space-separated list. Duplicates are removed.
    pub(crate) fn parse(list: &str) -> Self {
        list.split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|existing| existing == scope)
    }

    /// Returns the first scope of `self` that is not in `other`.
    pub(crate) fn first_not_in(&self, other: &Self) -> Option<&str> {
        self.iter().find(|scope| !other.contains(scope))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut set = Self::default();
        for scope in scopes {
            if !set.contains(scope) {
                set.0.push(scope.to_owned());
            }
        }
        set
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
