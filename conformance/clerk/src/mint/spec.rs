//! Tokens as data: what a case, the admin API and `mint` ask for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What token to make: one that Clerk would issue, and what is then done to it.
///
/// ```
/// use local_clerk::mint::TokenSpec;
///
/// let expired: TokenSpec = toml::from_str(r#"
///     kind = "session_token"
///     claims = { exp = "@now-1h" }
/// "#).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// What Clerk would issue.
    pub kind: TokenKind,
    /// Whose it is: id, email address or first name. Ada, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The impersonator (id, email address or first name), for `impersonation_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The active organization (id or slug), for `session_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The version of a `session_token`'s claims: 2, unless 1 is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// The OAuth client a token was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What the user allowed, or what a machine token may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The resource an OAuth token is for (RFC 8707). A case's token is for the target's own, unless said otherwise;
    /// an empty text is for a token without an audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The machine (`mch_…`) of a machine token. A new one, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The user, organization or machine of an API key; `user`, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of an API key or machine token.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How long an API key or an opaque machine token lives, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u32>,
    /// Members of the JOSE header to set, or with null (in TOML `"@null"`) to remove. `"{another_key}"` is the public
    /// part of the key that `sign = "another_key"` signs with, as a JSON Web Key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, Value>,
    /// The same for claims. `"@now"`, `"@now-1h"`, `"@now+90s"` are times in seconds, `"@json-null"` is null,
    /// `"@17KiB"` a text of that length (64 KiB at most). Of what
    /// is no JWT, all of its custom claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
    /// The whole text of the JOSE header instead: duplicate members, an array, no JSON at all. `{header}` stands for
    /// what it would have been, without the braces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_header: Option<String>,
    /// The whole text of the claims instead. `{claims}` stands for what they would have been, without the braces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_claims: Option<String>,
    /// Who signs.
    #[serde(default, skip_serializing_if = "Signer::is_instance")]
    pub sign: Signer,
    /// What is done to the finished token, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// What becomes of an opaque token or API key before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<TokenEnd>,
}

/// The kinds of tokens.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Whichever ordinary token the target accepts: a session token or else an OAuth token.
    #[default]
    Any,
    /// A session token (`cat` of the class, `sid`, 60 seconds).
    SessionToken,
    /// The same of a session with tasks left (`sts: pending`).
    PendingSessionToken,
    /// The same of a user who is impersonated (`act`).
    ImpersonationToken,
    /// A token from a JWT template: no session, never a credential for an MCP server.
    TemplateToken,
    /// An OAuth access token as a JWT (`at+jwt`).
    OauthToken,
    /// An opaque OAuth access token, `oat_…`.
    OpaqueOauthToken,
    /// An ID token: for the client, never for an API.
    IdToken,
    /// A refresh token: for the authorization server alone.
    RefreshToken,
    /// A machine-to-machine token as a JWT.
    M2mToken,
    /// An opaque machine-to-machine token, `mt_…`.
    OpaqueM2mToken,
    /// An API key, `ak_…`.
    ApiKey,
}

/// Who signs a JWT. The header stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// The instance's key, as it should be.
    #[default]
    Instance,
    /// The same key, RSASSA-PKCS1-v1_5 with SHA-384: `alg` RS384.
    InstanceRs384,
    /// The same key, RSASSA-PSS with SHA-256: `alg` PS256.
    InstancePs256,
    /// Another key, which nobody published. `kid` still names the instance's.
    AnotherKey,
    /// An RSA key of 1024 bits, which nobody publishes unless told to. `kid` still names the instance's.
    SmallKey,
    /// HMAC with SHA-256, the secret being one that only `POST /keys` publishes: `alg` HS256.
    SharedSecret,
    /// HMAC with SHA-256, the secret being the instance's public key as PEM (RFC 8725 §2.1).
    HmacOfPublicKey,
    /// The same without the line end at its end, as libraries and configurations trim it.
    HmacOfTrimmedPublicKey,
    /// The same, the secret being the key as DER.
    HmacOfPublicKeyDer,
    /// HMAC with SHA-256 and an empty secret.
    HmacOfNothing,
    /// Nobody: the third part is empty.
    Nobody,
    /// 256 zero bytes.
    Zeros,
}

impl Signer {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_instance(&self) -> bool {
        *self == Self::Instance
    }
}

/// What can be done to a finished token. The parts are those between dots, a token without dots being its own last
/// part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The last bit that counts, of the last part, is flipped.
    FlipSignature,
    /// A bit of the second part's middle is flipped.
    FlipClaims,
    /// The last character is gone.
    DropLastCharacter,
    /// The last part and its dot are gone.
    DropSignature,
    /// A fourth part comes after.
    FourthPart,
    /// Two more parts come after: the shape of a JWE.
    FiveParts,
    /// The last part is empty.
    EmptySignature,
    /// `=` after every part, as base64 with padding.
    Padding,
    /// The last character is changed in the bits that decoding throws away: the same bytes, another text.
    TrailingBits,
    /// The alphabet of base64 instead of base64url: `+` and `/` in every part. A signature holds one of them but for one in 50,000.
    StandardAlphabet,
    /// A line feed, encoded as `%0A`, in the middle.
    PercentEncoded,
    /// In double quotes.
    Quoted,
    /// A comma and the token once more.
    Doubled,
}

impl Damage {
    /// Whether it is done to a part of a JWT, and not to the token as a text.
    fn is_of_parts(self) -> bool {
        match self {
            Self::PercentEncoded | Self::Quoted | Self::Doubled => false,
            Self::FlipSignature
            | Self::FlipClaims
            | Self::DropLastCharacter
            | Self::DropSignature
            | Self::FourthPart
            | Self::FiveParts
            | Self::EmptySignature
            | Self::Padding
            | Self::TrailingBits
            | Self::StandardAlphabet => true,
        }
    }
}

/// What becomes of a token before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenEnd {
    /// It is revoked.
    Revoked,
    /// It expires.
    Expired,
}

impl TokenKind {
    /// The name in recipes: `session_token`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::SessionToken => "session_token",
            Self::PendingSessionToken => "pending_session_token",
            Self::ImpersonationToken => "impersonation_token",
            Self::TemplateToken => "template_token",
            Self::OauthToken => "oauth_token",
            Self::OpaqueOauthToken => "opaque_oauth_token",
            Self::IdToken => "id_token",
            Self::RefreshToken => "refresh_token",
            Self::M2mToken => "m2m_token",
            Self::OpaqueM2mToken => "opaque_m2m_token",
            Self::ApiKey => "api_key",
        }
    }
}

impl TokenKind {
    /// Whether it has a header, claims and a signature.
    pub fn is_jwt(self) -> bool {
        match self {
            Self::Any | Self::OpaqueOauthToken | Self::RefreshToken | Self::OpaqueM2mToken | Self::ApiKey => {
                false
            }
            Self::SessionToken
            | Self::PendingSessionToken
            | Self::ImpersonationToken
            | Self::TemplateToken
            | Self::OauthToken
            | Self::IdToken
            | Self::M2mToken => true,
        }
    }
}

impl TokenSpec {
    /// A token of this kind as Clerk would issue it.
    pub fn of(kind: TokenKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// The same token without what was done to it: what a target accepts when it refuses the damaged one for its
    /// damage alone.
    #[must_use]
    pub fn undamaged(&self) -> Self {
        Self {
            header: BTreeMap::new(),
            claims: BTreeMap::new(),
            raw_header: None,
            raw_claims: None,
            sign: Signer::Instance,
            damage: Vec::new(),
            end: None,
            resource: None,
            expires_in_seconds: None,
            ..self.clone()
        }
    }

    /// Whether something is done to its header, claims or signature.
    pub fn changes_parts(&self) -> bool {
        !self.header.is_empty()
            || !self.claims.is_empty()
            || self.raw_header.is_some()
            || self.raw_claims.is_some()
            || self.sign != Signer::Instance
            || self.damage.iter().any(|damage| damage.is_of_parts())
    }

    /// Whether it is exactly what Clerk would issue.
    pub fn is_undamaged(&self) -> bool {
        *self == self.undamaged()
    }
}
