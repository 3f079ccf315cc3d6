//! Users, organizations and roles from a file, instead of the samples.

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

/// Users, organizations and roles to start with, read from TOML.
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
/// Roles are those of the samples unless the file has `[[roles]]`, each with `key`, `name` and `permissions`. Users
/// may also have `id`, `features` and `banned`; organizations `id` and `slug`.
#[derive(Clone, Debug)]
pub struct State {
    name: String,
    text: String,
    content: Content,
}

/// Why a file of users and organizations cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file cannot be read.
    #[error("cannot read {name}")]
    Unreadable {
        /// The path.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is not TOML, or has something in it that does not belong there.
    #[error("{name}:{line}:{column}: {problem}")]
    Malformed {
        /// The path, or what the text is called.
        name: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// What it says does not fit together.
    #[error("{name}:{line}:{column}: {source}")]
    Inconsistent {
        /// The path, or what the text is called.
        name: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        source: DirectoryError,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
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
    /// [`StateError::Unreadable`], and those of [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, StateError> {
        let name = path.as_ref().display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(name, text),
            Err(source) => Err(StateError::Unreadable { name, source }),
        }
    }

    /// Reads a text; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`StateError::Malformed`] for what is not of the form, [`StateError::Inconsistent`] for an id that comes
    /// twice, a member who is no user, a role that is not there.
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
        // Tried here, so that errors come from here and not from the start of the server.
        state.directory(Arc::new(Ids::new(None)), Timestamp::UNIX_EPOCH)?;
        Ok(state)
    }

    pub(crate) fn directory(&self, ids: Arc<Ids>, now: Timestamp) -> Result<Directory, StateError> {
        let mut directory = Directory::new(ids);
        match &self.content.roles {
            Some(roles) => {
                for role in roles {
                    let entry = role.get_ref().clone();
                    let role_of_entry = Role {
                        key: entry.key,
                        name: entry.name,
                        permissions: entry.permissions,
                    };
                    directory.add_role(role_of_entry).map_err(self.at(&role.span()))?;
                }
            }
            None => {
                for role in samples::roles() {
                    directory.add_role(role).map_err(self.at(&(0..0)))?;
                }
            }
        }
        for user in &self.content.users {
            let entry = user.get_ref().clone();
            let at = self.at(&user.span());
            let new = NewUser {
                id: entry.id,
                first_name: entry.first_name,
                last_name: entry.last_name,
                email: entry.email,
                features: entry.features,
            };
            let added = directory.add_user(new, now).map_err(&at)?;
            if entry.banned {
                directory.set_banned(&added.id, true, now).map_err(&at)?;
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
                .map_err(self.at(&organization.span()))?;
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
                        self.at(&span)(error)
                    })?;
            }
        }
        Ok(directory)
    }

    /// Makes errors of what was found wrong with this part of the text.
    fn at(&self, span: &Range<usize>) -> impl Fn(DirectoryError) -> StateError + use<'_> {
        let (line, column) = line_and_column(&self.text, span.start);
        move |source| StateError::Inconsistent {
            name: self.name.clone(),
            line,
            column,
            source,
        }
    }
}
