//! The people of an instance: users, organizations, the roles in them and who has which.
//!
//! Everything the local Clerk says about a user, in tokens and in the Backend API, is read from here, so the two
//! cannot disagree.

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{
    ids,
    people::{DirectoryError, Membership, NewOrganization, NewUser, Organization, Role, User},
};

/// All of an instance's people, in the order they were added.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    users: IndexMap<String, User>,
    organizations: IndexMap<String, Organization>,
    roles: IndexMap<String, Role>,
    memberships: Vec<Membership>,
}

/// A membership with all that it refers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) membership: &'a Membership,
    pub(super) user: &'a User,
    pub(super) organization: &'a Organization,
    pub(super) role: &'a Role,
}

impl Directory {
    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// By exact id: what a request path or a token carries.
    pub(super) fn user_by_id(&self, id: &str) -> Option<&User> {
        self.users.get(id)
    }

    /// By id, email address or first name: what a person types.
    pub(super) fn user(&self, selector: &str) -> Result<&User, DirectoryError> {
        let with_email = |user: &&User| {
            user.email
                .as_deref()
                .is_some_and(|email| email.eq_ignore_ascii_case(selector))
        };
        if let Some(user) = self
            .user_by_id(selector)
            .or_else(|| self.users().find(with_email))
        {
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

    pub(super) fn user_by_session(&self, session_id: &str) -> Option<&User> {
        self.users().find(|user| user.session_id == session_id)
    }

    pub(super) fn organization(&self, id_or_slug: &str) -> Result<&Organization, DirectoryError> {
        self.organizations
            .get(id_or_slug)
            .or_else(|| {
                self.organizations
                    .values()
                    .find(|organization| organization.slug == id_or_slug)
            })
            .ok_or_else(|| DirectoryError::UnknownOrganization(id_or_slug.to_owned()))
    }

    pub(super) fn memberships_of_user(&self, user_id: &str) -> impl Iterator<Item = Member<'_>> {
        self.members(move |membership| membership.user_id == user_id)
    }

    pub(super) fn memberships_of_organization(
        &self,
        organization_id: &str,
    ) -> impl Iterator<Item = Member<'_>> {
        self.members(move |membership| membership.organization_id == organization_id)
    }

    pub(super) fn member(&self, user: &str, organization: &str) -> Result<Member<'_>, DirectoryError> {
        let user = self.user(user)?;
        let organization = self.organization(organization)?;
        self.memberships_of_user(&user.id)
            .find(|member| member.organization.id == organization.id)
            .ok_or_else(|| DirectoryError::NotAMember {
                user_id: user.id.clone(),
                organization_id: organization.id.clone(),
            })
    }

    /// The features any role of the instance speaks of: the `o:` entries of `fea`, whoever holds the token.
    pub(super) fn organization_features(&self) -> Vec<&str> {
        let mut features = Vec::new();
        for (feature, _) in self.roles.values().flat_map(custom_permissions) {
            if !features.contains(&feature) {
                features.push(feature);
            }
        }
        features
    }

    fn members(&self, wanted: impl Fn(&Membership) -> bool) -> impl Iterator<Item = Member<'_>> {
        // Nothing is ever removed, so every membership finds what it refers to.
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

    pub(super) fn add_user(&mut self, new: NewUser, now: Timestamp) -> Result<User, DirectoryError> {
        for feature in &new.features {
            check_word(feature, "a feature: letters, digits, `_` and `-`")?;
        }
        let id = new.id.unwrap_or_else(|| ids::id("user"));
        if self.user_by_id(&id).is_some() {
            return Err(DirectoryError::Taken(id));
        }
        if let Some(email) = &new.email
            && self.users().any(|user| user.email.as_ref() == Some(email))
        {
            return Err(DirectoryError::Taken(email.clone()));
        }
        let user = User {
            id,
            first_name: new.first_name,
            last_name: new.last_name,
            email: new.email,
            session_id: ids::id("sess"),
            features: new.features,
            banned: false,
            created_at: now,
            updated_at: now,
            client_id: ids::id("client"),
            email_id: ids::id("idn"),
        };
        self.users.insert(user.id.clone(), user.clone());
        Ok(user)
    }

    pub(super) fn add_organization(
        &mut self,
        new: NewOrganization,
        now: Timestamp,
    ) -> Result<Organization, DirectoryError> {
        let id = new.id.unwrap_or_else(|| ids::id("org"));
        let slug = new.slug.unwrap_or_else(|| {
            let slug = slug(&new.name);
            let usable = !slug.is_empty() && self.organization(&slug).is_err();
            if usable {
                slug
            } else {
                format!("{slug}-{}", ids::alphanumeric(8).to_ascii_lowercase())
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

    pub(super) fn add_role(&mut self, role: Role) -> Result<(), DirectoryError> {
        const ROLE: &str = "a role key: `org:` and a name";
        const PERMISSION: &str = "a permission: `org:<feature>:<action>`";
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

    pub(super) fn add_membership(
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
            id: ids::id("orgmem"),
            user_id: self.user(user)?.id.clone(),
            organization_id: self.organization(organization)?.id.clone(),
            role: role.to_owned(),
            created_at: now,
        };
        self.memberships.push(membership.clone());
        Ok(membership)
    }

    pub(super) fn ban_user(&mut self, selector: &str, now: Timestamp) -> Result<(), DirectoryError> {
        let id = self.user(selector)?.id.clone();
        if let Some(user) = self.users.get_mut(&id) {
            user.banned = true;
            user.updated_at = now;
        }
        Ok(())
    }
}

/// A role's permissions without those of the system, as feature and action. Tokens carry only these.
pub(super) fn custom_permissions(role: &Role) -> impl Iterator<Item = (&str, &str)> {
    role.permissions
        .iter()
        .filter_map(|permission| split_permission(permission))
        .filter(|(feature, _)| !feature.starts_with("sys_"))
}

fn split_permission(permission: &str) -> Option<(&str, &str)> {
    permission.strip_prefix("org:")?.split_once(':')
}

/// `fea`, `per` and `fpm` are lists with commas and colons between their parts, so none may be inside one.
fn check_word(word: &str, form: &'static str) -> Result<(), DirectoryError> {
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if word.is_empty() || !word.chars().all(fits) {
        return Err(DirectoryError::Malformed(word.to_owned(), form));
    }
    Ok(())
}

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
