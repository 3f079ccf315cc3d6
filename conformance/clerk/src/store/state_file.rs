//! [`State`]: users, organizations and roles read from a TOML file, in place of the samples.

use std::{fs, io, ops::Range, path::Path, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use crate::{
    position::line_and_column,
    store::{
        directory::Directory,
        ids::Ids,
        people::{DirectoryError, NewOrganization, NewUser, Role},
        samples,
    },
};

/// The users, organizations and roles that a local Clerk starts with, read from TOML.
///
/// ```toml
/// [[users]]
/// first_name = "Mary"
/// last_name = "Somerville"
/// email = "mary@example.com"
///
/// [[organizations]]
/// name = "Celestial Mechanics"
///
/// [[organizations.members]]
/// user = "mary@example.com"
/// role = "org:admin"
/// ```
///
/// Users may also have `id`, `features` and `banned`; organizations may have `id` and `slug`. `[[roles]]`,
/// each with `key`, `name` and `permissions`, replace the sample roles.
#[derive(Clone, Debug)]
pub struct State {
    name: String,
    text: String,
    content: StateContent,
}

/// Why a [`State`] cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file cannot be read.
    #[error("cannot read {name}")]
    Unreadable {
        /// The path.
        name: String,
        /// The I/O error.
        source: io::Error,
    },
    /// The text is not TOML, or has unknown, missing or mistyped members.
    #[error("{name}:{line}:{column}: {problem}")]
    Malformed {
        /// The path, or the name given to [`State::parse`].
        name: String,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// The problem that the TOML parser reported.
        problem: String,
    },
    /// The entries are inconsistent, for example a member is not a user.
    #[error("{name}:{line}:{column}: {source}")]
    Inconsistent {
        /// The path, or the name given to [`State::parse`].
        name: String,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// The inconsistency.
        source: DirectoryError,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateContent {
    roles: Option<Vec<Spanned<RoleEntry>>>,
    #[serde(default)]
    users: Vec<Spanned<UserEntry>>,
    #[serde(default)]
    organizations: Vec<Spanned<OrganizationEntry>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    key: String,
    name: String,
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    banned: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationEntry {
    id: Option<String>,
    name: String,
    slug: Option<String>,
    #[serde(default)]
    members: Vec<MemberEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberEntry {
    user: Spanned<String>,
    role: Spanned<String>,
}

impl State {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`StateError::Unreadable`], and the errors of [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, StateError> {
        let name = path.as_ref().display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(name, text),
            Err(source) => Err(StateError::Unreadable { name, source }),
        }
    }

    /// Parses a text. Error messages refer to it by `name`.
    ///
    /// # Errors
    ///
    /// [`StateError::Malformed`] if the text is not TOML or a member is unknown, missing or mistyped;
    /// [`StateError::Inconsistent`] for a duplicate id, a member who is not a user, or an unknown role.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Self, StateError> {
        let (name, text) = (name.into(), text.into());
        let content = toml::from_str(&text).map_err(|error| {
            let (line, column) = line_and_column(&text, error.span().map_or(0, |span| span.start));
            StateError::Malformed {
                name: name.clone(),
                line,
                column,
                problem: error.message().to_owned(),
            }
        })?;
        let state = Self { name, text, content };
        // Reports inconsistencies here rather than when the server starts.
        state.directory(Arc::new(Ids::new(None)), Timestamp::UNIX_EPOCH)?;
        Ok(state)
    }

    /// Builds the directory that the file describes.
    pub(crate) fn directory(&self, ids: Arc<Ids>, now: Timestamp) -> Result<Directory, StateError> {
        let mut directory = Directory::new(ids);
        match &self.content.roles {
            Some(roles) => {
                for role in roles {
                    let entry = role.get_ref().clone();
                    let role_entry = Role {
                        key: entry.key,
                        name: entry.name,
                        permissions: entry.permissions,
                    };
                    directory
                        .add_role(role_entry)
                        .map_err(self.error_at(&role.span()))?;
                }
            }
            None => {
                for role in samples::roles() {
                    directory.add_role(role).map_err(self.error_at(&(0..0)))?;
                }
            }
        }
        for user in &self.content.users {
            let entry = user.get_ref().clone();
            let error_at = self.error_at(&user.span());
            let new = NewUser {
                id: entry.id,
                first_name: entry.first_name,
                last_name: entry.last_name,
                email: entry.email,
                features: entry.features,
            };
            let added = directory.add_user(new, now).map_err(&error_at)?;
            if entry.banned {
                directory.set_banned(&added.id, true, now).map_err(&error_at)?;
            }
        }
        for organization in &self.content.organizations {
            let entry = organization.get_ref();
            let new = NewOrganization {
                id: entry.id.clone(),
                name: entry.name.clone(),
                slug: entry.slug.clone(),
            };
            let added = directory
                .add_organization(new, now)
                .map_err(self.error_at(&organization.span()))?;
            for member in &entry.members {
                directory
                    .add_membership(member.user.get_ref(), &added.id, member.role.get_ref(), now)
                    .map_err(|error| {
                        let about_role = matches!(error, DirectoryError::UnknownRole(_));
                        let span = if about_role {
                            member.role.span()
                        } else {
                            member.user.span()
                        };
                        self.error_at(&span)(error)
                    })?;
            }
        }
        Ok(directory)
    }

    /// Returns a function that turns an inconsistency into an error at this position of the text.
    fn error_at(&self, span: &Range<usize>) -> impl Fn(DirectoryError) -> StateError + use<'_> {
        let (line, column) = line_and_column(&self.text, span.start);
        move |source| StateError::Inconsistent {
            name: self.name.clone(),
            line,
            column,
            source,
        }
    }
}
