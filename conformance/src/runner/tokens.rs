//! The tokens of a run: issued by the local Clerk, or supplied by the user.

use local_clerk::mint::{TokenKind, TokenSpec};

use super::{clerk_admin::ClerkAdmin, outcome::StepError};
use crate::profile::Profile;

/// A token that the user supplied, or that a login got.
#[derive(Clone)]
pub struct SuppliedToken {
    /// The recipe of the token: its kind, and its resource and scopes if they are not the target's.
    pub spec: TokenSpec,
    /// The token, or a sentence that says why there is none.
    pub token: Result<String, String>,
}

/// Where the tokens for one target come from.
pub(super) struct TokenSource {
    /// The audience of OAuth tokens, if this run knows it.
    pub(super) resource: Option<String>,
    pub(super) clerk: Option<ClerkAdmin>,
    pub(super) supplied: Vec<SuppliedToken>,
}

impl TokenSource {
    /// Returns a token for the recipe, with the completed recipe: issued by Clerk if there is one, else a
    /// supplied token if it fits.
    pub(super) async fn token(
        &self,
        spec: &TokenSpec,
        profile: &Profile,
    ) -> Result<(TokenSpec, String), StepError> {
        let spec = self
            .complete(spec, profile)
            .map_err(|reason| StepError::OutOfReach(reason.to_owned()))?;
        let token = match &self.clerk {
            Some(clerk) => clerk.mint(&spec).await?,
            None => self.supplied_token(&spec, profile)?,
        };
        Ok((spec, token))
    }

    /// Completes a recipe for this target.
    ///
    /// # Errors
    /// A sentence, when the target accepts no such token.
    pub(super) fn complete(&self, spec: &TokenSpec, profile: &Profile) -> Result<TokenSpec, &'static str> {
        let is_supplied = |kind: &TokenKind| self.supplied.iter().any(|one| one.spec.kind == *kind);
        complete(spec, profile, is_supplied, self.resource.clone())
    }

    /// Returns the supplied token that fits the recipe, damaged as the recipe says. Nothing else can be changed
    /// about it.
    fn supplied_token(&self, spec: &TokenSpec, profile: &Profile) -> Result<String, StepError> {
        let fits = |supplied: &&SuppliedToken| {
            let damage = spec.damage.clone();
            let supplied = self.complete(&supplied.spec, profile);
            supplied.is_ok_and(|supplied| TokenSpec { damage, ..supplied } == *spec)
        };
        match self.supplied.iter().find(fits) {
            Some(SuppliedToken { token: Ok(token), .. }) => Ok(spec
                .damage
                .iter()
                .fold(token.clone(), |token, damage| damage.apply(&token))),
            Some(SuppliedToken {
                token: Err(reason), ..
            }) => Err(StepError::OutOfReach(reason.clone())),
            None if !self.supplied.is_empty()
                && self.supplied.iter().all(|one| one.spec.kind != spec.kind) =>
            {
                Err(StepError::OutOfReach(format!(
                    "no {} was supplied",
                    spec.kind.name()
                )))
            }
            None => Err(StepError::needs_clerk()),
        }
    }
}

/// Completes a recipe with what depends on the target: the token kind if any will do, the resource and scopes
/// of OAuth tokens. Prefers kinds that were supplied.
///
/// # Errors
/// A sentence, when the target accepts no such token.
pub(super) fn complete(
    spec: &TokenSpec,
    profile: &Profile,
    is_supplied: impl Fn(&TokenKind) -> bool,
    resource: Option<String>,
) -> Result<TokenSpec, &'static str> {
    let mut spec = spec.clone();
    if spec.kind == TokenKind::Any {
        let kind = profile
            .ordinary_kind_of(is_supplied)
            .or_else(|| profile.ordinary_kind());
        let kind = kind.ok_or("the profile accepts no tokens")?;
        // Changes to the parts of a JWT would have no effect on an opaque token.
        if spec.changes_parts() && !kind.is_jwt() {
            return Err("the case needs a JWT, and the profile accepts none");
        }
        spec.kind = kind;
    }
    let is_oauth = matches!(
        spec.kind,
        TokenKind::OauthToken | TokenKind::OpaqueOauthToken | TokenKind::IdToken | TokenKind::RefreshToken
    );
    if is_oauth {
        spec.resource = spec.resource.or(resource);
        spec.scopes = spec.scopes.or_else(|| Some(profile.scopes.clone()));
    }
    Ok(spec)
}

/// Returns a recipe in one line, as `mint` takes it.
pub(super) fn recipe_line(spec: &TokenSpec) -> String {
    serde_json::to_string(spec).unwrap_or_else(|_| spec.kind.name().to_owned())
}
