//! Recipes for each kind of token that an instance issues.

use serde_json::{Map, Value, json};

use crate::{
    mint::Recipe,
    store::{
        directory::{Directory, Member, custom_permissions},
        grants::OAUTH_TOKEN_SECONDS,
        instance::Instance,
        people::{DirectoryError, Session, SessionStatus, User},
        scope::Scopes,
    },
    tokens::permission_claims,
};

/// The origin of the application that users are signed in to: the `azp` of session tokens and JWT template
/// tokens.
pub const AUTHORIZED_PARTY: &str = "http://localhost:3000";

/// The JOSE header `cat` of session tokens.
const SESSION_TOKEN_CATEGORY: &str = "cl_B7d4PD111AAA";
/// The JOSE header `cat` of JWT template tokens.
const TEMPLATE_TOKEN_CATEGORY: &str = "cl_B7d4PD222AAA";
/// The JOSE header `cat` of machine-to-machine tokens.
const M2M_TOKEN_CATEGORY: &str = "cl_B7d4PD333AAA";

/// The `act.iss` of impersonation tokens: users are impersonated from the Clerk Dashboard.
const IMPERSONATOR_ISSUER: &str = "https://dashboard.clerk.com";

/// Lifetime of session tokens and JWT template tokens, in seconds.
const SESSION_TOKEN_SECONDS: i64 = 60;
/// Lifetime of machine-to-machine tokens, in seconds.
const M2M_TOKEN_SECONDS: i64 = 3_600;

/// The content of an OAuth access token or an ID token.
#[derive(Clone, Debug)]
pub(crate) struct AccessTokenClaims<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scopes: &'a Scopes,
    pub(crate) resources: &'a [String],
    pub(crate) organization_id: Option<&'a str>,
}

impl Instance {
    /// Returns a version 2 session token without an active organization.
    pub(crate) fn session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        Ok(self.session_token_recipe_v2(&directory, user, directory.session(&user.session_id)?, None))
    }

    /// Returns a version 2 session token of the user's session with this status and actor.
    pub(crate) fn session_token_with(
        &self,
        user: &str,
        status: SessionStatus,
        actor: Option<&str>,
    ) -> Result<Recipe, DirectoryError> {
        let now = self.clock.now();
        let session = self.directory.write().session_for(user, status, actor, now)?;
        let directory = self.directory.read();
        Ok(self.session_token_recipe_v2(&directory, directory.user(&session.user_id)?, &session, None))
    }

    /// Returns a version 2 session token with an active organization.
    pub(crate) fn session_token_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let member = directory.member(user, organization)?;
        let session = directory.session(&member.user.session_id)?;
        Ok(self.session_token_recipe_v2(&directory, member.user, session, Some(member)))
    }

    /// Returns a version 1 session token without an active organization.
    pub(crate) fn session_token_v1(&self, user: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        Ok(self.session_token_recipe_v1(directory.session(&user.session_id)?))
    }

    /// Returns a version 1 session token with an active organization.
    pub(crate) fn session_token_v1_in(
        &self,
        user: &str,
        organization: &str,
    ) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let member = directory.member(user, organization)?;
        let permissions: Vec<Value> = custom_permissions(member.role)
            .map(|(feature, action)| json!(format!("org:{feature}:{action}")))
            .collect();
        Ok(self
            .session_token_recipe_v1(directory.session(&member.user.session_id)?)
            .claim("org_id", member.organization.id.as_str())
            .claim("org_permissions", permissions)
            .claim("org_role", member.role.key.as_str())
            .claim("org_slug", member.organization.slug.as_str()))
    }

    fn session_token_recipe_v1(&self, session: &Session) -> Recipe {
        let now = self.clock.now().as_second();
        let mut recipe = self.signed_recipe("JWT", Some(SESSION_TOKEN_CATEGORY));
        if let Some(actor) = &session.actor {
            let act = json!({ "iss": IMPERSONATOR_ISSUER, "sid": actor.session_id, "sub": actor.user_id });
            recipe = recipe.claim("act", act);
        }
        let status = match session.status {
            SessionStatus::Pending => "pending",
            // Tokens issued before a session ended still say that it is active.
            SessionStatus::Active
            | SessionStatus::Revoked
            | SessionStatus::Ended
            | SessionStatus::Expired
            | SessionStatus::Removed
            | SessionStatus::Abandoned
            | SessionStatus::Replaced => "active",
        };
        recipe
            .claim("azp", AUTHORIZED_PARTY)
            .claim("exp", now + SESSION_TOKEN_SECONDS)
            .claim("fva", json!([0, -1]))
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("nbf", now - 10)
            .claim("sid", session.id.as_str())
            .claim("sts", status)
            .claim("sub", session.user_id.as_str())
    }

    fn session_token_recipe_v2(
        &self,
        directory: &Directory,
        user: &User,
        session: &Session,
        member: Option<Member<'_>>,
    ) -> Recipe {
        let mut recipe = self
            .session_token_recipe_v1(session)
            .claim("jti", self.ids.session_token_jti())
            .claim("v", 2);
        let Some(member) = member else {
            if let Some(features) = permission_claims::features(&[], &user.features) {
                recipe = recipe.claim("fea", features);
            }
            return recipe.claim("pla", "u:free");
        };
        let organization_features = directory.organization_features();
        if let Some(features) = permission_claims::features(&organization_features, &user.features) {
            recipe = recipe.claim("fea", features);
        }
        let mut organization = Map::new();
        organization.insert("id".to_owned(), json!(member.organization.id));
        organization.insert("slg".to_owned(), json!(member.organization.slug));
        organization.insert(
            "rol".to_owned(),
            json!(member.role.key.trim_start_matches("org:")),
        );
        if let Some(claims) = permission_claims::encode(&organization_features, &member) {
            organization.insert("per".to_owned(), json!(claims.per));
            organization.insert("fpm".to_owned(), json!(claims.fpm));
        }
        recipe.claim("o", organization).claim("pla", "o:free,u:free")
    }

    /// Returns a JWT template token, which is bound to the user but not to a session.
    pub(crate) fn template_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        let now = self.clock.now().as_second();
        Ok(self
            .signed_recipe("JWT", Some(TEMPLATE_TOKEN_CATEGORY))
            .claim("azp", AUTHORIZED_PARTY)
            .claim("exp", now + SESSION_TOKEN_SECONDS)
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("jti", self.ids.session_token_jti())
            .claim("nbf", now - 5)
            .claim("sub", user.id.as_str()))
    }

    /// Returns a machine-to-machine token as a JWT.
    pub(crate) fn m2m_token(&self, machine_id: &str) -> Recipe {
        let now = self.clock.now().as_second();
        self.signed_recipe("JWT", Some(M2M_TOKEN_CATEGORY))
            .claim("exp", now + M2M_TOKEN_SECONDS)
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("jti", self.ids.id("mt"))
            .claim("nbf", now - 10)
            .claim("sub", machine_id)
    }

    /// Returns an OAuth access token as a JWT (RFC 9068). It has an `aud` only if a resource was granted.
    pub(crate) fn access_token(&self, grant: &AccessTokenClaims<'_>) -> Recipe {
        let now = self.clock.now().as_second();
        let mut recipe = self.signed_recipe("at+jwt", None);
        if !grant.resources.is_empty() {
            recipe = recipe.claim("aud", grant.resources.to_vec());
        }
        recipe = recipe
            .claim("client_id", grant.client_id)
            // One second more than `expires_in`, as at Clerk: a client that counts from when it received the
            // token still refreshes before the token expires.
            .claim("exp", now + OAUTH_TOKEN_SECONDS + 1)
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("jti", self.ids.access_token_jti())
            .claim("nbf", now - 10);
        if let Some(organization_id) = grant.organization_id {
            recipe = recipe.claim("org_id", organization_id);
        }
        recipe
            .claim("scope", grant.scopes.to_string())
            .claim("sub", grant.user_id)
    }

    /// Returns an ID token (OIDC Core §2).
    pub(crate) fn id_token(&self, user: &User, grant: &AccessTokenClaims<'_>, nonce: Option<&str>) -> Recipe {
        let now = self.clock.now().as_second();
        let mut recipe = self
            .signed_recipe("JWT", None)
            .claim("aud", grant.client_id)
            .claim("exp", now + OAUTH_TOKEN_SECONDS)
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("jti", self.ids.session_token_jti())
            .claim("sub", user.id.as_str());
        if let Some(nonce) = nonce {
            recipe = recipe.claim("nonce", nonce);
        }
        for (name, value) in profile_claims(user, grant.scopes) {
            recipe = recipe.claim(name, value);
        }
        if let Some(organization_id) = grant.organization_id {
            recipe = recipe.claim("org_id", organization_id);
        }
        recipe
    }

    /// Returns an OAuth access token for any user and client.
    pub(crate) fn oauth_token(
        &self,
        user: &str,
        client_id: &str,
        scopes: &Scopes,
        resource: Option<&str>,
    ) -> Result<Recipe, DirectoryError> {
        let user_id = self.directory.read().user(user)?.id.clone();
        Ok(self.access_token(&AccessTokenClaims {
            user_id: &user_id,
            client_id,
            scopes,
            resources: &resource.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            organization_id: None,
        }))
    }

    /// Returns an ID token for any user and client.
    pub(crate) fn id_token_for(
        &self,
        user: &str,
        client_id: &str,
        scopes: &Scopes,
    ) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        let grant = AccessTokenClaims {
            user_id: &user.id,
            client_id,
            scopes,
            resources: &[],
            organization_id: None,
        };
        Ok(self.id_token(user, &grant, None))
    }

    /// Starts a recipe that is signed with the current key and names it in the header.
    fn signed_recipe(&self, typ: &str, category: Option<&str>) -> Recipe {
        let keys = self.keys.read();
        let key = keys.signing();
        let mut recipe = Recipe::new().header("alg", "RS256");
        if let Some(category) = category {
            recipe = recipe.header("cat", category);
        }
        recipe.header("kid", key.kid()).header("typ", typ).signed_by(key)
    }
}

/// Returns the claims for the scopes `profile` and `email`, which ID tokens and the userinfo endpoint share
/// (OIDC Core §5.4).
pub(crate) fn profile_claims(user: &User, scopes: &Scopes) -> Vec<(&'static str, Value)> {
    let mut claims = Vec::new();
    if scopes.contains("email") {
        claims.push(("email", json!(user.email)));
        claims.push(("email_verified", json!(user.email.is_some())));
    }
    if scopes.contains("profile") {
        claims.push(("family_name", json!(user.last_name)));
        claims.push(("given_name", json!(user.first_name)));
        claims.push(("name", json!(user.display_name())));
        claims.push(("picture", json!(null)));
    }
    claims
}
