use serde_json::Value;

use crate::{
    ClientDocumentError, DirectoryError, LocalClerk, Machine, Membership, NewOrganization, NewUser,
    Organization, Role, SessionStatus, User, oauth::client_document,
};

/// Changes to the people of the instance.
impl LocalClerk {
    /// Adds a user, with one active session.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] for an id or email address in use, [`DirectoryError::Malformed`] for a feature.
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
    /// [`DirectoryError::Taken`] for an id or slug in use.
    pub fn add_organization(&self, organization: NewOrganization) -> Result<Organization, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_organization(organization, self.instance.clock.now())
    }

    /// Adds a role to those of the samples: `org:admin`, `org:member`, `org:billing_manager`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] for a key in use, [`DirectoryError::Malformed`] for a key or permission.
    pub fn add_role(&self, role: Role) -> Result<(), DirectoryError> {
        self.instance.directory.write().add_role(role)
    }

    /// Makes a user a member of an organization, as `role` (its key).
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::Taken`] for a member.
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

    /// Bans a user: no more signing in or refreshing, and the Backend API says so. Tokens issued stay valid.
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

    /// Lifts a ban.
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

    /// Takes a user out of an organization. Tokens that name it stay as they are.
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::NotAMember`].
    pub fn remove_membership(&self, user: &str, organization: &str) -> Result<(), DirectoryError> {
        self.instance
            .directory
            .write()
            .remove_membership(user, organization)
    }

    /// Changes what became of a session (`sess_…`). Tokens say it only while it is pending.
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

    /// Uses this document for the client whose id is `url`, instead of fetching it.
    ///
    /// # Errors
    ///
    /// [`ClientDocumentError::Url`] and [`ClientDocumentError::Document`] for what Clerk would refuse.
    pub fn pin_client_document(&self, url: &str, document: &Value) -> Result<(), ClientDocumentError> {
        client_document::pin(&self.instance, url, document)
    }

    /// Adds a machine. Its tokens are meant for the machines whose ids are in `scopes`.
    pub fn add_machine(&self, name: &str, scopes: &[&str]) -> Machine {
        self.instance
            .credentials
            .lock()
            .add_machine(name, scopes, &self.instance.ids)
    }

    /// Signs this user in without a page from now on, or shows the page again.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn set_auto_approve(&self, user: Option<&str>) -> Result<(), DirectoryError> {
        self.instance.set_auto_approve(user).map(|_| ())
    }
}
