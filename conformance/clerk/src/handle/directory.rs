//! Changing users, organizations, roles, memberships, sessions, machines and client documents.

use serde_json::Value;

use super::LocalClerk;
use crate::{
    oauth::client_document::{self, ClientDocumentError},
    store::{
        credentials::Machine,
        people::{
            DirectoryError, Membership, NewOrganization, NewUser, Organization, Role, SessionStatus, User,
        },
    },
};

impl LocalClerk {
    /// Adds a user with one active session.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] if the id or email address is in use, [`DirectoryError::Malformed`] if a
    /// feature is malformed.
    pub fn add_user(&self, user: NewUser) -> Result<User, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_user(user, self.instance.clock.now())
    }

    /// Adds an organization without members.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] if the id or slug is in use.
    pub fn add_organization(&self, organization: NewOrganization) -> Result<Organization, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_organization(organization, self.instance.clock.now())
    }

    /// Adds a role. Unless a [`State`](crate::State) file replaced them, `org:admin`, `org:member` and
    /// `org:billing_manager` exist already.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] if the key is in use, [`DirectoryError::Malformed`] if the key or a
    /// permission is malformed.
    pub fn add_role(&self, role: Role) -> Result<(), DirectoryError> {
        self.instance.directory.write().add_role(role)
    }

    /// Adds a user to an organization with the role whose key is `role`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] if the user is already a member; an error that names the user, organization
    /// or role if it does not exist.
    pub fn add_membership(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<Membership, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_membership(user, organization, role, self.instance.clock.now())
    }

    /// Gives a member of an organization the role whose key is `role`. Tokens that were already issued do not
    /// change.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::NotAMember`], [`DirectoryError::UnknownRole`].
    pub fn change_role(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<Membership, DirectoryError> {
        let mut directory = self.instance.directory.write();
        directory.change_role(user, organization, role)
    }

    /// Bans a user: the user can no longer sign in or refresh tokens, and the Backend API reports `banned`.
    /// Tokens that were already issued stay valid.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn ban_user(&self, user: &str) -> Result<(), DirectoryError> {
        self.instance
            .directory
            .write()
            .set_banned(user, true, self.instance.clock.now())
    }

    /// Lifts the ban of a user.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn unban_user(&self, user: &str) -> Result<(), DirectoryError> {
        self.instance
            .directory
            .write()
            .set_banned(user, false, self.instance.clock.now())
    }

    /// Removes a user from an organization. Tokens that name the organization do not change.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::NotAMember`] if the user is not a member; an error that names the user or
    /// organization if it does not exist.
    pub fn remove_membership(&self, user: &str, organization: &str) -> Result<(), DirectoryError> {
        self.instance
            .directory
            .write()
            .remove_membership(user, organization)
    }

    /// Sets the status of a session (`sess_…`). The Backend API reports it. In tokens, only
    /// [`SessionStatus::Pending`] is visible.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownSession`].
    pub fn set_session_status(&self, session_id: &str, status: SessionStatus) -> Result<(), DirectoryError> {
        self.instance
            .directory
            .write()
            .set_session_status(session_id, status)
    }

    /// Uses `document` as the client metadata document of the client id `url`, instead of fetching it.
    ///
    /// # Errors
    ///
    /// [`ClientDocumentError::Url`] and [`ClientDocumentError::Document`] if Clerk would reject the URL or
    /// the document.
    pub fn pin_client_document(&self, url: &str, document: &Value) -> Result<(), ClientDocumentError> {
        client_document::pin(&self.instance, url, document)
    }

    /// Adds a machine. `scopes` are the ids of the machines that its tokens are intended for.
    pub fn add_machine(&self, name: &str, scopes: &[&str]) -> Machine {
        self.instance
            .credentials
            .lock()
            .add_machine(name, scopes, &self.instance.ids)
    }

    /// From now on, signs this user in and consents without showing a page. `None` shows the page again.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn set_auto_approve(&self, user: Option<&str>) -> Result<(), DirectoryError> {
        self.instance.set_auto_approve(user).map(|_| ())
    }
}
