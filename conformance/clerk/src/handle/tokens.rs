use crate::{
    Credential, DirectoryError, EndTokenError, LocalClerk, MintError, NewCredential, SessionStatus,
    mint::{Recipe, TokenEnd, TokenSpec},
};

/// Tokens as Clerk makes them, valid as of now, signed with the current key. Change the recipe to spoil them.
impl LocalClerk {
    /// A session token, version 2, with no active organization.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token(user)
    }

    /// A session token, version 2, with this organization active (claim `o`).
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::NotAMember`].
    pub fn session_token_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_in(user, organization)
    }

    /// A session token, version 1, with no active organization.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn session_token_v1(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_v1(user)
    }

    /// A session token, version 1, with this organization active (claims `org_…`): it says the same as
    /// [`session_token_in`](Self::session_token_in).
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::NotAMember`].
    pub fn session_token_v1_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_v1_in(user, organization)
    }

    /// An OAuth access token (`at+jwt`). `aud` is there only with a `resource`; any `client_id` will do.
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

    /// An ID token for a client: never a credential for an API.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn id_token(&self, user: &str, client_id: &str, scopes: &[&str]) -> Result<Recipe, DirectoryError> {
        let scopes = scopes.iter().copied().collect();
        self.instance.id_token_for(user, client_id, &scopes)
    }

    /// A token made from a JWT template without claims of its own: no `sid`, so no session ends it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn template_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.template_token(user)
    }

    /// A machine-to-machine token as a JWT; `machine_id` is `mch_…` at Clerk.
    pub fn m2m_token(&self, machine_id: &str) -> Recipe {
        self.instance.m2m_token(machine_id)
    }

    /// A session token of a session that is pending (`sts`): signed in, but with something left to do.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn pending_session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance
            .session_token_with(user, SessionStatus::Pending, None)
    }

    /// A session token of a user who is impersonated by another: the claim `act` says by whom.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn impersonation_token(&self, user: &str, actor: &str) -> Result<Recipe, DirectoryError> {
        self.instance
            .session_token_with(user, SessionStatus::Active, Some(actor))
    }

    /// An opaque machine-to-machine token of a machine that was [added](Self::add_machine).
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

    /// An API key of a user, an organization or a machine.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn api_key(&self, subject: &str, new: NewCredential) -> Result<Credential, DirectoryError> {
        self.instance.api_key(subject, new)
    }

    /// The token that a specification describes.
    ///
    /// # Errors
    ///
    /// [`MintError`] for people who do not exist and specifications that contradict themselves.
    pub fn mint(&self, spec: &TokenSpec) -> Result<String, MintError> {
        self.instance.mint(spec).map(|minted| minted.token)
    }

    /// Revokes an opaque access token, an opaque machine-to-machine token or an API key, named by its id or by itself,
    /// or the whole grant of a refresh token.
    ///
    /// # Errors
    ///
    /// [`EndTokenError::SelfContained`] for a JWT, [`EndTokenError::Unknown`].
    pub fn revoke_token(&self, id_or_token: &str) -> Result<(), EndTokenError> {
        self.instance.end_token(id_or_token, TokenEnd::Revoked)
    }

    /// Lets the same expire now; a refresh token's grant is revoked.
    ///
    /// # Errors
    ///
    /// [`EndTokenError::SelfContained`] for a JWT, [`EndTokenError::Unknown`].
    pub fn expire_token(&self, id_or_token: &str) -> Result<(), EndTokenError> {
        self.instance.end_token(id_or_token, TokenEnd::Expired)
    }

    /// Revokes everything this user allowed any client; how many grants that were.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn revoke_grants(&self, user: &str) -> Result<usize, DirectoryError> {
        let user_id = self.instance.directory.read().user(user)?.id.clone();
        Ok(self.instance.grants.lock().revoke_grants_of(&user_id))
    }
}
