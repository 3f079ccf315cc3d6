//! The directory of an instance: users, sessions, organizations, roles and memberships.
//!
//! Tokens and Backend API responses are both built from the directory, so they always agree.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::store::{
    bounded_map::BoundedMap,
    ids::Ids,
    people::{
        Actor, DirectoryError, Membership, NewOrganization, NewUser, Organization, Role, Session,
        SessionStatus, User,
    },
};

/// Limit for sessions. The oldest are dropped.
const MAX_SESSIONS: usize = 10_000;

/// The users, sessions, organizations, roles and memberships of an instance, in the order they were added.
#[derive(Debug)]
pub(crate) struct Directory {
    ids: Arc<Ids>,
    users: IndexMap<String, User>,
    organizations: IndexMap<String, Organization>,
    roles: IndexMap<String, Role>,
    memberships: Vec<Membership>,
    sessions: BoundedMap<Session>,
}

/// A membership with the user, organization and role it refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) membership: &'a Membership,
    pub(crate) user: &'a User,
    pub(crate) organization: &'a Organization,
    pub(crate) role: &'a Role,
}

impl Directory {
    pub(crate) fn new(ids: Arc<Ids>) -> Self {
        Self {
            ids,
            users: IndexMap::new(),
            organizations: IndexMap::new(),
            roles: IndexMap::new(),
            memberships: Vec::new(),
            sessions: BoundedMap::new(MAX_SESSIONS),
        }
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Finds a user by exact id, for ids from request paths and tokens.
    pub(crate) fn user_by_id(&self, id: &str) -> Option<&User> {
        self.users.get(id)
    }

    /// Finds a user by id, email address or first name, for selectors that people type.
    pub(crate) fn user(&self, selector: &str) -> Result<&User, DirectoryError> {
        let has_email = |user: &&User| {
            user.email
                .as_deref()
                .is_some_and(|email| email.eq_ignore_ascii_case(selector))
        };
        if let Some(user) = self.user_by_id(selector).or_else(|| self.users().find(has_email)) {
            return Ok(user);
        }
        let mut namesakes = self.users().filter(|user| {
            user.first_name
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(selector))
        });
        match (namesakes.next(), namesakes.next()) {
            (Some(user), None) => Ok(user),
            (Some(_), Some(_)) => Err(DirectoryError::AmbiguousUser(selector.to_owned())),
            (None, _) => Err(DirectoryError::UnknownUser(selector.to_owned())),
        }
    }

    pub(crate) fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values()
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    pub(crate) fn session(&self, id: &str) -> Result<&Session, DirectoryError> {
        self.sessions
            .get(id)
            .ok_or_else(|| DirectoryError::UnknownSession(id.to_owned()))
    }

    /// Returns the user's session with this status and actor, and creates it if there is none.
    pub(crate) fn session_for(
        &mut self,
        user: &str,
        status: SessionStatus,
        actor: Option<&str>,
        now: Timestamp,
    ) -> Result<Session, DirectoryError> {
        let user_id = self.user(user)?.id.clone();
        let actor = match actor {
            Some(actor) => {
                let actor = self.user(actor)?;
                Some(Actor {
                    user_id: actor.id.clone(),
                    session_id: actor.session_id.clone(),
                })
            }
            None => None,
        };
        let existing = self
            .sessions
            .values()
            .find(|session| session.user_id == user_id && session.status == status && session.actor == actor);
        if let Some(session) = existing {
            return Ok(session.clone());
        }
        Ok(self.add_session(user_id, status, actor, now))
    }

    pub(crate) fn set_session_status(
        &mut self,
        session_id: &str,
        status: SessionStatus,
    ) -> Result<(), DirectoryError> {
        let session = self
            .sessions
            .get_mut(session_id)
            .ok_or_else(|| DirectoryError::UnknownSession(session_id.to_owned()))?;
        session.status = status;
        Ok(())
    }

    fn add_session(
        &mut self,
        user_id: String,
        status: SessionStatus,
        actor: Option<Actor>,
        now: Timestamp,
    ) -> Session {
        let session = Session {
            id: self.ids.id("sess"),
            user_id,
            client_id: self.ids.id("client"),
            status,
            actor,
            created_at: now,
        };
        self.sessions.insert(session.id.clone(), session.clone());
        session
    }

    /// Finds an organization by id or slug.
    pub(crate) fn organization(&self, id_or_slug: &str) -> Result<&Organization, DirectoryError> {
        self.organizations
            .get(id_or_slug)
            .or_else(|| {
                self.organizations
                    .values()
                    .find(|organization| organization.slug == id_or_slug)
            })
            .ok_or_else(|| DirectoryError::UnknownOrganization(id_or_slug.to_owned()))
    }

    pub(crate) fn memberships_of_user(&self, user_id: &str) -> impl Iterator<Item = Member<'_>> {
        self.members(move |membership| membership.user_id == user_id)
    }

    pub(crate) fn memberships_of_organization(
        &self,
        organization_id: &str,
    ) -> impl Iterator<Item = Member<'_>> {
        self.members(move |membership| membership.organization_id == organization_id)
    }

    /// Finds the membership of a user in an organization.
    pub(crate) fn member(&self, user: &str, organization: &str) -> Result<Member<'_>, DirectoryError> {
        let user = self.user(user)?;
        let organization = self.organization(organization)?;
        self.memberships_of_user(&user.id)
            .find(|member| member.organization.id == organization.id)
            .ok_or_else(|| DirectoryError::NotAMember {
                user_id: user.id.clone(),
                organization_id: organization.id.clone(),
            })
    }

    /// Returns the features named by the permissions of any role: the `o:` entries of `fea` in every token.
    pub(crate) fn organization_features(&self) -> Vec<&str> {
        let mut features = Vec::new();
        for (feature, _) in self.roles.values().flat_map(custom_permissions) {
            if !features.contains(&feature) {
                features.push(feature);
            }
        }
        features
    }

    fn members(&self, wanted: impl Fn(&Membership) -> bool) -> impl Iterator<Item = Member<'_>> {
        // Users, organizations and roles are never removed, so every look-up succeeds.
        self.memberships
            .iter()
            .filter(move |membership| wanted(membership))
            .filter_map(|membership| {
                Some(Member {
                    membership,
                    user: self.user_by_id(&membership.user_id)?,
                    organization: self.organizations.get(&membership.organization_id)?,
                    role: self.roles.get(&membership.role)?,
                })
            })
    }

    pub(crate) fn add_user(&mut self, new: NewUser, now: Timestamp) -> Result<User, DirectoryError> {
        for feature in &new.features {
            check_word(feature, "a feature of letters, digits, `_` and `-`")?;
        }
        let id = new.id.unwrap_or_else(|| self.ids.id("user"));
        if self.user_by_id(&id).is_some() {
            return Err(DirectoryError::Taken(id));
        }
        if let Some(email) = &new.email
            && self.users().any(|user| user.email.as_ref() == Some(email))
        {
            return Err(DirectoryError::Taken(email.clone()));
        }
        let session = self.add_session(id.clone(), SessionStatus::Active, None, now);
        let user = User {
            id,
            first_name: new.first_name,
            last_name: new.last_name,
            email: new.email,
            session_id: session.id,
            features: new.features,
            banned: false,
            created_at: now,
            updated_at: now,
            email_id: self.ids.id("idn"),
        };
        self.users.insert(user.id.clone(), user.clone());
        Ok(user)
    }

    pub(crate) fn add_organization(
        &mut self,
        new: NewOrganization,
        now: Timestamp,
    ) -> Result<Organization, DirectoryError> {
        let id = new.id.unwrap_or_else(|| self.ids.id("org"));
        let slug = new.slug.unwrap_or_else(|| {
            let slug = slug(&new.name);
            let is_free = !slug.is_empty() && self.organization(&slug).is_err();
            if is_free {
                slug
            } else {
                format!("{slug}-{}", self.ids.alphanumeric("slug", 8).to_ascii_lowercase())
            }
        });
        for name in [&id, &slug] {
            if self.organization(name).is_ok() {
                return Err(DirectoryError::Taken(name.clone()));
            }
        }
        let organization = Organization {
            id,
            name: new.name,
            slug,
            created_at: now,
        };
        self.organizations
            .insert(organization.id.clone(), organization.clone());
        Ok(organization)
    }

    pub(crate) fn add_role(&mut self, role: Role) -> Result<(), DirectoryError> {
        const ROLE: &str = "a role key such as `org:admin`";
        const PERMISSION: &str = "a permission of the form `org:<feature>:<action>`";
        let name = role
            .key
            .strip_prefix("org:")
            .ok_or_else(|| DirectoryError::Malformed(role.key.clone(), ROLE))?;
        check_word(name, ROLE)?;
        if self.roles.contains_key(&role.key) {
            return Err(DirectoryError::Taken(role.key));
        }
        for permission in &role.permissions {
            let (feature, action) = split_permission(permission)
                .ok_or_else(|| DirectoryError::Malformed(permission.clone(), PERMISSION))?;
            check_word(feature, PERMISSION)?;
            check_word(action, PERMISSION)?;
        }
        self.roles.insert(role.key.clone(), role);
        Ok(())
    }

    pub(crate) fn add_membership(
        &mut self,
        user: &str,
        organization: &str,
        role: &str,
        now: Timestamp,
    ) -> Result<Membership, DirectoryError> {
        if !self.roles.contains_key(role) {
            return Err(DirectoryError::UnknownRole(role.to_owned()));
        }
        if let Ok(member) = self.member(user, organization) {
            return Err(DirectoryError::Taken(member.membership.id.clone()));
        }
        let membership = Membership {
            id: self.ids.id("orgmem"),
            user_id: self.user(user)?.id.clone(),
            organization_id: self.organization(organization)?.id.clone(),
            role: role.to_owned(),
            created_at: now,
        };
        self.memberships.push(membership.clone());
        Ok(membership)
    }

    /// Gives a member another role.
    pub(crate) fn change_role(
        &mut self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<Membership, DirectoryError> {
        if !self.roles.contains_key(role) {
            return Err(DirectoryError::UnknownRole(role.to_owned()));
        }
        let mut changed = self.member(user, organization)?.membership.clone();
        role.clone_into(&mut changed.role);
        for membership in &mut self.memberships {
            if membership.id == changed.id {
                membership.role.clone_from(&changed.role);
            }
        }
        Ok(changed)
    }

    /// Removes a membership.
    pub(crate) fn remove_membership(&mut self, user: &str, organization: &str) -> Result<(), DirectoryError> {
        let id = self.member(user, organization)?.membership.id.clone();
        self.memberships.retain(|membership| membership.id != id);
        Ok(())
    }

    pub(crate) fn set_banned(
        &mut self,
        selector: &str,
        banned: bool,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let id = self.user(selector)?.id.clone();
        if let Some(user) = self.users.get_mut(&id) {
            user.banned = banned;
            user.updated_at = now;
        }
        Ok(())
    }
}

/// Returns a role's custom permissions as feature and action. Tokens never contain system permissions.
pub(crate) fn custom_permissions(role: &Role) -> impl Iterator<Item = (&str, &str)> {
    role.permissions
        .iter()
        .filter_map(|permission| split_permission(permission))
        .filter(|(feature, _)| !feature.starts_with("sys_"))
}

fn split_permission(permission: &str) -> Option<(&str, &str)> {
    permission.strip_prefix("org:")?.split_once(':')
}

/// Checks a word that becomes an entry of `fea` or `per`, which commas and colons separate.
fn check_word(word: &str, expected: &'static str) -> Result<(), DirectoryError> {
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if word.is_empty() || !word.chars().all(is_allowed) {
        return Err(DirectoryError::Malformed(word.to_owned(), expected));
    }
    Ok(())
}

/// Derives a slug from a name.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}
