//! Scopes: what a client may be granted, and how a person reads it.

use std::fmt;

/// The scopes every instance knows, with the words of the consent page.
const KNOWN: [(&str, &str); 7] = [
    ("openid", "Confirm who you are"),
    ("profile", "See your name and picture"),
    ("email", "See your email address"),
    ("public_metadata", "See your public metadata"),
    ("private_metadata", "See your private metadata"),
    ("offline_access", "Stay connected when you are away"),
    (ORGANIZATION, "See which organization you act for"),
];

/// Asks for an organization to act in.
pub(crate) const ORGANIZATION: &str = "user:org:read";

/// What a registration without `scope` gets, as at Clerk.
pub(crate) const DEFAULT: [&str; 3] = ["email", "offline_access", "profile"];

/// All scopes an instance knows, in the order of its metadata.
pub(crate) fn supported() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// What a scope allows, in words for the person who is asked.
pub(crate) fn in_words(scope: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(name, _)| *name == scope)
        .map(|(_, words)| *words)
}

/// A set of scopes in the order they were asked for (RFC 6749 §3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<String>);

impl Scopes {
    /// Reads a space-separated list. Repeated scopes count once.
    pub(crate) fn parse(list: &str) -> Self {
        list.split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|one| one == scope)
    }

    /// The first scope of `self` that `other` lacks.
    pub(crate) fn beyond(&self, other: &Self) -> Option<&str> {
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
