//! What each kind of token an instance issues looks like, as recipes to mint or to spoil.

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

/// The application the sample users are signed in to: `azp` of session tokens and JWT template tokens.
pub const AUTHORIZED_PARTY: &str = "http://localhost:3000";

/// The JOSE header `cat` of session tokens.
const SESSION_TOKEN_CATEGORY: &str = "cl_B7d4PD111AAA";
/// The JOSE header `cat` of tokens made from a JWT template.
const TEMPLATE_TOKEN_CATEGORY: &str = "cl_B7d4PD222AAA";
/// The JOSE header `cat` of machine-to-machine tokens.
const M2M_TOKEN_CATEGORY: &str = "cl_B7d4PD333AAA";

/// `act.iss`: people impersonate users from Clerk's dashboard.
const IMPERSONATOR_ISSUER: &str = "https://dashboard.clerk.com";

const SESSION_TOKEN_SECONDS: i64 = 60;
const M2M_TOKEN_SECONDS: i64 = 3_600;

/// An OAuth access token's content, before it is a JWT or an opaque token.
#[derive(Clone, Debug)]
pub(crate) struct AccessTokenClaims<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scopes: &'a Scopes,
    pub(crate) resources: &'a [String],
    pub(crate) organization_id: Option<&'a str>,
}

impl Instance {
    /// Header and common claims of a session token, version 2, without an organization.
    pub(crate) fn session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        Ok(self.session_token_claims_v2(&directory, user, directory.session(&user.session_id)?, None))
    }

    /// A session token, version 2, of the user's session in this state and with this actor.
    pub(crate) fn session_token_with(
        &self,
        user: &str,
        status: SessionStatus,
        actor: Option<&str>,
    ) -> Result<Recipe, DirectoryError> {
        let now = self.clock.now();
        let session = self.directory.write().session_for(user, status, actor, now)?;
        let directory = self.directory.read();
        Ok(self.session_token_claims_v2(&directory, directory.user(&session.user_id)?, &session, None))
    }

    pub(crate) fn session_token_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let member = directory.member(user, organization)?;
        let session = directory.session(&member.user.session_id)?;
        Ok(self.session_token_claims_v2(&directory, member.user, session, Some(member)))
    }

    pub(crate) fn session_token_v1(&self, user: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        Ok(self.session_token_claims_v1(directory.session(&user.session_id)?))
    }

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
            .session_token_claims_v1(directory.session(&member.user.session_id)?)
            .claim("org_id", member.organization.id.as_str())
            .claim("org_permissions", permissions)
            .claim("org_role", member.role.key.as_str())
            .claim("org_slug", member.organization.slug.as_str()))
    }

    fn session_token_claims_v1(&self, session: &Session) -> Recipe {
        let now = self.clock.now().as_second();
        let mut recipe = self.recipe("JWT", Some(SESSION_TOKEN_CATEGORY));
        if let Some(actor) = &session.actor {
            let act = json!({ "iss": IMPERSONATOR_ISSUER, "sid": actor.session_id, "sub": actor.user_id });
            recipe = recipe.claim("act", act);
        }
        let status = match session.status {
            SessionStatus::Pending => "pending",
            // Of a session that has ended only tokens from before are left.
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

    fn session_token_claims_v2(
        &self,
        directory: &Directory,
        user: &User,
        session: &Session,
        member: Option<Member<'_>>,
    ) -> Recipe {
        let mut recipe = self
            .session_token_claims_v1(session)
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

    /// A token made from a JWT template: bound to the user, not to a session.
    pub(crate) fn template_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        let directory = self.directory.read();
        let user = directory.user(user)?;
        let now = self.clock.now().as_second();
        Ok(self
            .recipe("JWT", Some(TEMPLATE_TOKEN_CATEGORY))
            .claim("azp", AUTHORIZED_PARTY)
            .claim("exp", now + SESSION_TOKEN_SECONDS)
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("jti", self.ids.session_token_jti())
            .claim("nbf", now - 5)
            .claim("sub", user.id.as_str()))
    }

    pub(crate) fn m2m_token(&self, machine_id: &str) -> Recipe {
        let now = self.clock.now().as_second();
        self.recipe("JWT", Some(M2M_TOKEN_CATEGORY))
            .claim("exp", now + M2M_TOKEN_SECONDS)
            .claim("iat", now)
            .claim("iss", self.issuer.as_str())
            .claim("jti", self.ids.id("mt"))
            .claim("nbf", now - 10)
            .claim("sub", machine_id)
    }

    /// An OAuth access token as a JWT (RFC 9068). `aud` is there only when a resource was granted.
    pub(crate) fn access_token(&self, grant: &AccessTokenClaims<'_>) -> Recipe {
        let now = self.clock.now().as_second();
        let mut recipe = self.recipe("at+jwt", None);
        if !grant.resources.is_empty() {
            recipe = recipe.claim("aud", grant.resources.to_vec());
        }
        recipe = recipe
            .claim("client_id", grant.client_id)
            // One second more than `expires_in` says, as at Clerk: a client that counts from the moment it received
            // the token must not be the one that is too late.
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

    /// An ID token (OIDC Core §2): for the client, never for an API.
    pub(crate) fn id_token(&self, user: &User, grant: &AccessTokenClaims<'_>, nonce: Option<&str>) -> Recipe {
        let now = self.clock.now().as_second();
        let mut recipe = self
            .recipe("JWT", None)
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

    /// An access token for any user and client.
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

    /// An ID token for any user and client.
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

    /// The start of every recipe: the current key signs, and the header names it.
    fn recipe(&self, typ: &str, category: Option<&str>) -> Recipe {
        let keys = self.keys.read();
        let key = keys.signing();
        let mut recipe = Recipe::new().header("alg", "RS256");
        if let Some(category) = category {
            recipe = recipe.header("cat", category);
        }
        recipe.header("kid", key.kid()).header("typ", typ).signed_by(key)
    }
}

/// What the scopes `profile` and `email` reveal, the same in ID tokens and at the userinfo endpoint
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
