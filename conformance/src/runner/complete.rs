use crate::profile::Profile;
use local_clerk::mint::{TokenKind, TokenSpec};

/// Fills in what a specification leaves to the target: which kind is ordinary, which resource and scopes. Of kinds that
/// were `supplied`, one that is there.
///
/// # Errors
/// Why there is no such token.
pub(crate) fn complete(
    spec: &TokenSpec,
    profile: &Profile,
    supplied: impl Fn(&TokenKind) -> bool,
    resource: Option<String>,
) -> Result<TokenSpec, &'static str> {
    let mut spec = spec.clone();
    if spec.kind == TokenKind::Any {
        let kind = profile
            .ordinary_kind_of(supplied)
            .or_else(|| profile.ordinary_kind());
        let kind = kind.ok_or("the profile accepts no kind of token")?;
        // What is done to the parts of a JWT does nothing to a token that has none.
        if spec.changes_parts() && !kind.is_jwt() {
            return Err("it needs a JWT, and the profile accepts none");
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
