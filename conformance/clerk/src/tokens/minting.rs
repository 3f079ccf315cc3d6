//! Minting the token that a [`TokenSpec`] describes.

use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    mint::{Recipe, RsaAlgorithm, Signer, TokenKind, TokenSpec},
    store::{
        credentials::{Credential, NewCredential},
        instance::Instance,
        people::SessionStatus,
        scope::Scopes,
    },
    tokens::{
        error::MintError,
        placeholders::resolve_changes,
        untrusted_keys::{SHARED_SECRET, another_key},
    },
};

/// The client of tokens whose specification names none.
const CLIENT_ID: &str = "client_2sConformanceSuite0000000C";

/// A minted token.
#[derive(Clone)]
pub(crate) struct Minted {
    pub(crate) token: String,
    /// The id of an opaque token or API key.
    pub(crate) id: Option<String>,
    /// The subject of an opaque token, refresh token or API key.
    pub(crate) subject: Option<String>,
}

impl Instance {
    /// Mints the token that `spec` describes.
    pub(crate) fn mint(&self, spec: &TokenSpec) -> Result<Minted, MintError> {
        let mut minted = match spec.kind {
            TokenKind::OpaqueOauthToken => self.opaque_oauth_token(spec)?,
            TokenKind::RefreshToken => self.refresh_token(spec)?,
            TokenKind::OpaqueM2mToken => {
                let machine = self.spec_machine_id(spec);
                self.opaque_m2m_token(&machine, new_credential(spec)?)?.into()
            }
            TokenKind::ApiKey => {
                let subject = match &spec.subject {
                    Some(subject) => subject.clone(),
                    None => self.spec_user_id(spec)?,
                };
                self.api_key(&subject, new_credential(spec)?)?.into()
            }
            TokenKind::Any
            | TokenKind::SessionToken
            | TokenKind::PendingSessionToken
            | TokenKind::ImpersonationToken
            | TokenKind::TemplateToken
            | TokenKind::OauthToken
            | TokenKind::IdToken
            | TokenKind::M2mToken => Minted {
                token: self.apply_spec(self.recipe_for(spec)?, spec)?.mint(),
                id: None,
                subject: None,
            },
        };
        if let Some(end) = spec.end {
            self.end_token(&minted.token, end)
                .map_err(|error| MintError::Specification(error.to_string()))?;
        }
        for damage in &spec.damage {
            minted.token = damage.apply(&minted.token);
        }
        Ok(minted)
    }

    /// Returns the recipe of the valid token that `spec` starts from.
    fn recipe_for(&self, spec: &TokenSpec) -> Result<Recipe, MintError> {
        let user = self.spec_user_id(spec)?;
        let client_id = spec.client_id.as_deref().unwrap_or(CLIENT_ID);
        let recipe = match spec.kind {
            TokenKind::SessionToken => match (spec.version, &spec.organization) {
                (None | Some(2), None) => self.session_token(&user),
                (None | Some(2), Some(organization)) => self.session_token_in(&user, organization),
                (Some(1), None) => self.session_token_v1(&user),
                (Some(1), Some(organization)) => self.session_token_v1_in(&user, organization),
                (Some(version), _) => {
                    return Err(MintError::Specification(format!(
                        "invalid version {version}: expected 1 or 2"
                    )));
                }
            }?,
            TokenKind::PendingSessionToken => self.session_token_with(&user, SessionStatus::Pending, None)?,
            TokenKind::ImpersonationToken => {
                let Some(actor) = &spec.actor else {
                    return Err(invalid_spec(
                        "an impersonation_token needs an actor: id, email address or first name",
                    ));
                };
                self.session_token_with(&user, SessionStatus::Active, Some(actor))?
            }
            TokenKind::TemplateToken => self.template_token(&user)?,
            TokenKind::OauthToken => {
                self.oauth_token(&user, client_id, &scopes_of(spec), resource_of(spec))?
            }
            TokenKind::IdToken => self.id_token_for(&user, client_id, &scopes_of(spec))?,
            TokenKind::M2mToken => self.m2m_token(&self.spec_machine_id(spec)),
            TokenKind::Any
            | TokenKind::OpaqueOauthToken
            | TokenKind::RefreshToken
            | TokenKind::OpaqueM2mToken
            | TokenKind::ApiKey => {
                return Err(invalid_spec(
                    "a token of kind \"any\" cannot be minted: name a kind, for example session_token",
                ));
            }
        };
        Ok(recipe)
    }

    /// Applies the header, claims and signature that `spec` sets.
    fn apply_spec(&self, mut recipe: Recipe, spec: &TokenSpec) -> Result<Recipe, MintError> {
        let now = self.clock.now();
        for (name, value) in resolve_changes(&spec.header, now)? {
            recipe = match value {
                Some(value) => recipe.header(&name, value),
                None => recipe.without_header(&name),
            };
        }
        for (name, value) in resolve_changes(&spec.claims, now)? {
            recipe = match value {
                Some(value) => recipe.claim(&name, value),
                None => recipe.without_claim(&name),
            };
        }
        if let Some(text) = &spec.raw_header {
            let members = members_of(&recipe.header_json());
            recipe = recipe.raw_header(text.replace("{header}", &members));
        }
        if let Some(text) = &spec.raw_claims {
            let members = members_of(&recipe.claims_json());
            recipe = recipe.raw_claims(text.replace("{claims}", &members));
        }
        Ok(match spec.sign {
            Signer::Instance => recipe,
            Signer::InstanceRs384 => recipe.signed_as(self.keys.read().signing(), RsaAlgorithm::Rs384),
            Signer::InstancePs256 => recipe.signed_as(self.keys.read().signing(), RsaAlgorithm::Ps256),
            Signer::AnotherKey => recipe.signed_by(another_key()),
            Signer::SmallKey => recipe.signed_by_small_key(),
            Signer::SharedSecret => recipe.signed_with_secret(SHARED_SECRET),
            Signer::HmacOfPublicKey => {
                let pem = self.keys.read().signing().public_key_pem();
                recipe.signed_with_secret(pem.as_bytes())
            }
            Signer::HmacOfTrimmedPublicKey => {
                let pem = self.keys.read().signing().public_key_pem();
                recipe.signed_with_secret(pem.trim_end().as_bytes())
            }
            Signer::HmacOfPublicKeyDer => {
                let der = self.keys.read().signing().public_key_der();
                recipe.signed_with_secret(&der)
            }
            Signer::HmacOfNothing => recipe.signed_with_secret(b""),
            Signer::Unsigned => recipe.unsigned(),
            Signer::Defective(defect) => recipe.signed_with_defect(self.keys.read().signing(), defect),
            Signer::Zeros => recipe.signature(vec![0; 256]),
        })
    }

    /// Returns the id of the user of `spec`, by default the first user.
    fn spec_user_id(&self, spec: &TokenSpec) -> Result<String, MintError> {
        let directory = self.directory.read();
        let user = match &spec.user {
            Some(selector) => directory.user(selector)?,
            None => directory
                .users()
                .next()
                .ok_or_else(|| invalid_spec("there is no user: add one, or start with the sample users"))?,
        };
        Ok(user.id.clone())
    }

    /// Returns the id of the machine of `spec`, by default a new machine.
    fn spec_machine_id(&self, spec: &TokenSpec) -> String {
        spec.machine.clone().unwrap_or_else(|| {
            let machine = self.credentials.lock().add_machine("conformance", &[], &self.ids);
            machine.id
        })
    }

    fn opaque_oauth_token(&self, spec: &TokenSpec) -> Result<Minted, MintError> {
        let user_id = self.spec_user_id(spec)?;
        let resources: Vec<String> = resource_of(spec).map(str::to_owned).into_iter().collect();
        let client_id = spec.client_id.as_deref().unwrap_or(CLIENT_ID);
        let lifetime = spec
            .expires_in_seconds
            .map(|seconds| SignedDuration::from_secs(seconds.into()));
        let (token, id) = self.grants.lock().issue_opaque_token(
            client_id,
            &user_id,
            &scopes_of(spec),
            &resources,
            (self.clock.now(), lifetime),
            &self.ids,
        );
        Ok(Minted {
            token,
            id: Some(id),
            subject: Some(user_id),
        })
    }

    fn refresh_token(&self, spec: &TokenSpec) -> Result<Minted, MintError> {
        let user_id = self.spec_user_id(spec)?;
        let client_id = spec.client_id.as_deref().unwrap_or(CLIENT_ID);
        let mut grants = self.grants.lock();
        let grant_id = grants.add_grant(client_id, &user_id, &scopes_of(spec), &[], &self.ids);
        let token = grants.issue_refresh_token(&grant_id, self.clock.now(), &self.ids);
        Ok(Minted {
            token,
            id: None,
            subject: Some(user_id),
        })
    }
}

impl From<Credential> for Minted {
    fn from(credential: Credential) -> Self {
        Self {
            token: credential.secret,
            id: Some(credential.id),
            subject: Some(credential.subject),
        }
    }
}

/// Removes the braces of a JSON object.
fn members_of(object: &str) -> String {
    let object = object.strip_prefix('{').unwrap_or(object);
    object.strip_suffix('}').unwrap_or(object).to_owned()
}

fn invalid_spec(message: &str) -> MintError {
    MintError::Specification(message.to_owned())
}

fn scopes_of(spec: &TokenSpec) -> Scopes {
    let scopes = spec.scopes.as_deref().unwrap_or_default();
    scopes.iter().map(String::as_str).collect()
}

/// Returns the resource of `spec`. An empty string means none.
fn resource_of(spec: &TokenSpec) -> Option<&str> {
    spec.resource.as_deref().filter(|resource| !resource.is_empty())
}

fn new_credential(spec: &TokenSpec) -> Result<NewCredential, MintError> {
    let claims: serde_json::Map<String, Value> = spec
        .claims
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !spec.header.is_empty() || spec.raw_header.is_some() || spec.raw_claims.is_some() {
        return Err(invalid_spec(
            "header, raw_header and raw_claims apply to JWTs only",
        ));
    }
    Ok(NewCredential {
        name: spec.name.clone(),
        scopes: spec.scopes.clone().unwrap_or_default(),
        claims: (!claims.is_empty()).then_some(Value::Object(claims)),
        expires_in: spec
            .expires_in_seconds
            .map(|seconds| SignedDuration::from_secs(seconds.into())),
    })
}
