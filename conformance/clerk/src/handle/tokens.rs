//! Minting, revoking and expiring tokens.

use super::LocalClerk;
use crate::{
    mint::{Recipe, TokenEnd, TokenSpec},
    store::{
        credentials::{Credential, EndTokenError, NewCredential},
        people::{DirectoryError, SessionStatus},
    },
    tokens::error::MintError,
};

/// Methods that return a [`Recipe`] return one for a valid token, issued now and signed with the current key.
/// Change the recipe to mint an invalid token.
impl LocalClerk {
    /// Returns a version 2 session token without an active organization.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token(user)
    }

    /// Returns a version 2 session token with this organization active (claim `o`).
    ///
    /// # Errors
    ///
    /// [`DirectoryError::NotAMember`] if the user is not a member; an error that names the user or
    /// organization if it does not exist.
    pub fn session_token_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_in(user, organization)
    }

    /// Returns a version 1 session token without an active organization.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn session_token_v1(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_v1(user)
    }

    /// Returns a version 1 session token with this organization active (claims `org_…`). Role and permissions
    /// are the same as in [`session_token_in`](Self::session_token_in).
    ///
    /// # Errors
    ///
    /// [`DirectoryError::NotAMember`] if the user is not a member; an error that names the user or
    /// organization if it does not exist.
    pub fn session_token_v1_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_v1_in(user, organization)
    }

    /// Returns an OAuth access token as a JWT (`at+jwt`). Without a `resource` it has no `aud`. The client
    /// need not be registered.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn oauth_token(
        &self,
        user: &str,
        client_id: &str,
        scopes: &[&str],
        resource: Option<&str>,
    ) -> Result<Recipe, DirectoryError> {
        let scopes = scopes.iter().copied().collect();
        self.instance.oauth_token(user, client_id, &scopes, resource)
    }

    /// Returns an ID token for a client. A resource server must reject it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn id_token(&self, user: &str, client_id: &str, scopes: &[&str]) -> Result<Recipe, DirectoryError> {
        let scopes = scopes.iter().copied().collect();
        self.instance.id_token_for(user, client_id, &scopes)
    }

    /// Returns a token from a JWT template without custom claims. It has no `sid`, so ending a session does
    /// not end it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn template_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.template_token(user)
    }

    /// Returns a machine-to-machine token as a JWT. Clerk's machine ids begin with `mch_`; the machine need
    /// not exist.
    pub fn m2m_token(&self, machine_id: &str) -> Recipe {
        self.instance.m2m_token(machine_id)
    }

    /// Returns a session token of a pending session (`sts`): the user is signed in but has a task left to
    /// complete.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn pending_session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance
            .session_token_with(user, SessionStatus::Pending, None)
    }

    /// Returns a session token of `user`, impersonated by `actor` (claim `act`).
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn impersonation_token(&self, user: &str, actor: &str) -> Result<Recipe, DirectoryError> {
        self.instance
            .session_token_with(user, SessionStatus::Active, Some(actor))
    }

    /// Issues an opaque machine-to-machine token to a machine added by [`add_machine`](Self::add_machine).
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownMachine`].
    pub fn opaque_m2m_token(
        &self,
        machine_id: &str,
        new: NewCredential,
    ) -> Result<Credential, DirectoryError> {
        self.instance.opaque_m2m_token(machine_id, new)
    }

    /// Issues an API key to a user, an organization or a machine.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn api_key(&self, subject: &str, new: NewCredential) -> Result<Credential, DirectoryError> {
        self.instance.api_key(subject, new)
    }

    /// Mints the token that `spec` describes.
    ///
    /// # Errors
    ///
    /// [`MintError::Directory`] if the specification names a user, organization or machine that does not
    /// exist, [`MintError::Specification`] if it is incomplete or contradicts itself.
    pub fn mint(&self, spec: &TokenSpec) -> Result<String, MintError> {
        self.instance.mint(spec).map(|minted| minted.token)
    }

    /// Revokes an opaque token or an API key, given by its id or its secret. For a refresh token, revokes the
    /// whole grant.
    ///
    /// # Errors
    ///
    /// [`EndTokenError::SelfContained`] for a JWT, [`EndTokenError::Unknown`].
    pub fn revoke_token(&self, id_or_token: &str) -> Result<(), EndTokenError> {
        self.instance.end_token(id_or_token, TokenEnd::Revoked)
    }

    /// Makes an opaque token or an API key expire now, given by its id or its secret. For a refresh token,
    /// revokes the whole grant.
    ///
    /// # Errors
    ///
    /// [`EndTokenError::SelfContained`] for a JWT, [`EndTokenError::Unknown`].
    pub fn expire_token(&self, id_or_token: &str) -> Result<(), EndTokenError> {
        self.instance.end_token(id_or_token, TokenEnd::Expired)
    }

    /// Revokes every grant that this user gave to any client. Returns how many were revoked.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn revoke_grants(&self, user: &str) -> Result<usize, DirectoryError> {
        let user_id = self.instance.directory.read().user(user)?.id.clone();
        Ok(self.instance.grants.lock().revoke_grants_of(&user_id))
    }
}
