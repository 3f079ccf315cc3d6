//! [`TokenSpec`]: a valid or invalid token described as data, for TOML and JSON files and the admin API.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RsaDefect;

/// A token to mint: one that Clerk would issue, and the changes that make it invalid.
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
    /// The kind of token.
    pub kind: TokenKind,
    /// The user (id, email address or first name). Default: the first user, Ada.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The impersonator (id, email address or first name), for `impersonation_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The active organization (id or slug), for `session_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The version of a `session_token`'s claims, 1 or 2. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// The OAuth client that the token is issued to. It need not be registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The scopes of an OAuth, refresh or ID token, an opaque machine token or an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The resource that an OAuth token is intended for (RFC 8707). Default: none, or in the conformance
    /// suite's cases the target. An empty string gives a token without an audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The machine (`mch_…`) of a machine token. Default: a new machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The user, organization or machine of an API key. Default: `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of an API key or machine token.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The lifetime of an API key or opaque token, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u32>,
    /// Members of the JOSE header to set; null (in TOML `"@null"`) removes a member. `"{another_key}"` stands
    /// for the public key that `sign = "another_key"` signs with, as a JSON Web Key, and
    /// `"{another_certificate}"` for a certificate of that key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, Value>,
    /// Claims to set; null (in TOML `"@null"`) removes a claim. `"@now"`, `"@now-1h"` and `"@now+90s"` stand
    /// for Unix times in seconds (units `s`, `m`, `h`, `d`), `"@json-null"` for null, and `"@17KiB"` for a
    /// string of that length (at most 64 KiB). For an opaque machine token or an API key: all of its custom
    /// claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
    /// Replaces the whole text of the JOSE header, for example by duplicate members, an array or invalid
    /// JSON. `{header}` stands for the members that it would have had, without the braces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_header: Option<String>,
    /// Replaces the whole text of the claims. `{claims}` stands for the members that they would have had,
    /// without the braces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_claims: Option<String>,
    /// The key and algorithm of the signature.
    #[serde(default, skip_serializing_if = "Signer::is_instance")]
    pub sign: Signer,
    /// The damage to the finished token, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// Revokes or expires an opaque token or API key after it is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<TokenEnd>,
}

/// The kinds of tokens.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A placeholder for a kind that the server under test accepts, which the conformance suite fills in.
    /// `LocalClerk::mint` and the admin API reject it.
    #[default]
    Any,
    /// A session token: a JWT with a `sid`, valid for 60 seconds.
    SessionToken,
    /// A session token of a pending session (`sts: pending`).
    PendingSessionToken,
    /// A session token of an impersonated user (`act`).
    ImpersonationToken,
    /// A token from a JWT template. It has no session, and MCP servers must reject it.
    TemplateToken,
    /// An OAuth access token as a JWT (`at+jwt`).
    OauthToken,
    /// An opaque OAuth access token, `oat_…`.
    OpaqueOauthToken,
    /// An ID token. It is intended for the client, and resource servers must reject it.
    IdToken,
    /// A refresh token. It is intended for the authorization server only.
    RefreshToken,
    /// A machine-to-machine token as a JWT.
    M2mToken,
    /// An opaque machine-to-machine token, `mt_…`.
    OpaqueM2mToken,
    /// An API key, `ak_…`.
    ApiKey,
}

/// The key and algorithm that sign a JWT. The header does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// The instance's key with RS256. The signature is valid.
    #[default]
    Instance,
    /// The instance's key with RSASSA-PKCS1-v1_5 and SHA-384 (RS384).
    InstanceRs384,
    /// The instance's key with RSASSA-PSS and SHA-256 (PS256).
    InstancePs256,
    /// Another RSA key, which is not published. `kid` still names the instance's key.
    AnotherKey,
    /// An RSA key of 1024 bits, which is not published unless a test publishes it. `kid` still names the
    /// instance's key.
    SmallKey,
    /// HMAC with SHA-256 (HS256) and a secret that is not published unless a test publishes it.
    SharedSecret,
    /// HMAC with SHA-256 and the instance's public key as PEM as the secret (RFC 8725 §2.1).
    HmacOfPublicKey,
    /// HMAC with SHA-256 and the public key as PEM without the final line feed, which libraries may trim.
    HmacOfTrimmedPublicKey,
    /// HMAC with SHA-256 and the public key as DER as the secret.
    HmacOfPublicKeyDer,
    /// HMAC with SHA-256 and an empty secret.
    HmacOfNothing,
    /// No signature: the third part is empty.
    #[serde(rename = "none")]
    Unsigned,
    /// A signature of 256 zero bytes.
    Zeros,
    /// The instance's key with RS256, and a defect that strict verification rejects.
    #[serde(untagged)]
    Defective(RsaDefect),
}

impl Signer {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_instance(&self) -> bool {
        *self == Self::Instance
    }
}

/// Damage to a finished token. Parts are separated by dots; a token without dots has one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// Flips a bit in the middle of the last part.
    FlipSignature,
    /// Flips a bit in the middle of the second part.
    FlipClaims,
    /// Removes the last character.
    DropLastCharacter,
    /// Removes the last part and the dot before it.
    DropSignature,
    /// Appends a fourth part.
    FourthPart,
    /// Appends two parts, so that the token has the form of a JWE.
    FiveParts,
    /// Empties the last part.
    EmptySignature,
    /// Pads every part with `=`.
    Padding,
    /// Changes the bits of the last character that decoding discards: other text, same bytes.
    TrailingBits,
    /// Replaces `-` and `_` by `+` and `/`, the alphabet of base64 instead of base64url. About one JWT
    /// signature in 50,000 contains neither and stays as it is.
    StandardAlphabet,
    /// Inserts `%0A`, a percent-encoded line feed, in the middle.
    PercentEncoded,
    /// Puts the token in double quotes.
    Quoted,
    /// Appends a comma and the token again.
    Doubled,
    /// Swaps upper and lower case after the prefix.
    OtherCase,
}

impl Damage {
    /// Returns whether the damage affects the parts of a JWT, and not the token as a whole.
    fn affects_parts(self) -> bool {
        match self {
            Self::PercentEncoded | Self::Quoted | Self::Doubled | Self::OtherCase => false,
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

/// How a token or API key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenEnd {
    /// It is revoked.
    Revoked,
    /// It expires.
    Expired,
}

impl TokenKind {
    /// Returns the name in specifications, for example `session_token`.
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

    /// Returns whether the kind is a JWT, with header, claims and signature.
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
    /// Returns the specification of a valid token of this kind.
    pub fn of(kind: TokenKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Returns the specification without the changes that make the token invalid. If a server rejects this
    /// token too, it does not reject the changed token because of the changes.
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

    /// Returns whether the header, claims or signature are changed.
    pub fn changes_parts(&self) -> bool {
        !self.header.is_empty()
            || !self.claims.is_empty()
            || self.raw_header.is_some()
            || self.raw_claims.is_some()
            || self.sign != Signer::Instance
            || self.damage.iter().any(|damage| damage.affects_parts())
    }

    /// Returns whether the token is what Clerk would issue.
    pub fn is_undamaged(&self) -> bool {
        *self == self.undamaged()
    }
}
