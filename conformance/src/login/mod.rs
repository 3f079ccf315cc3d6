//! Signs in to a running target as an MCP client does, to get the tokens that cases need without a local
//! Clerk.
//!
//! [`login`] reads the target's metadata and the metadata of its authorization server (`discovery`), registers
//! a client, and asks for three access tokens (`authorization`): one for the target, one for another server,
//! and one with fewer scopes. If the authorization server shows a page, the user opens its address in a
//! browser, and the `redirect` listener receives the answer.

mod authorization;
mod discovery;
mod http;
mod redirect;

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use local_clerk::mint::{TokenKind, TokenSpec};
use serde_json::Value;
use url::Url;

use self::{
    authorization::{Grant, Registered, TokenRequest},
    discovery::{AuthorizationServer, Resource},
    http::Http,
    redirect::Listener,
};
use crate::{profile::Profile, report, runner::SuppliedToken};

/// The resource of the token that the target must reject. Cases name it.
const ANOTHER_RESOURCE: &str = "https://mcp.another.example/mcp";

/// What to sign in to.
pub struct LoginOptions<'a> {
    /// The MCP endpoint of the target.
    pub mcp_url: &'a Url,
    /// A certificate authority (PEM) to trust besides the authorities of the system.
    pub authority: Option<&'a str>,
    /// The time limit for each answer.
    pub timeout: Duration,
    /// The time limit for each sign-in of the user in a browser.
    pub sign_in_timeout: Duration,
}

/// The result of a login.
pub struct Login {
    /// The issuer of the tokens.
    pub issuer: String,
    /// The tokens, also those that the authorization server does not grant.
    pub tokens: Vec<SuppliedToken>,
    resource: String,
    scopes: Vec<String>,
    kind: TokenKind,
}

/// A failed step of a login. The message has no token, code or client secret.
#[derive(Debug, thiserror::Error)]
#[error("--login: {0}")]
pub struct LoginError(String);

impl LoginError {
    fn new(message: impl AsRef<str>) -> Self {
        Self(report::lines(message.as_ref()))
    }
}

impl Login {
    /// Describes the tokens in the profile: their kind, resource and scopes.
    pub fn describe_in(&self, profile: &mut Profile) {
        profile.accepts.insert(self.kind);
        profile.resource.clone_from(&self.resource);
        profile.scopes.clone_from(&self.scopes);
    }
}

/// Gets three tokens. Calls `open` with the purpose of a sign-in and the address that the user must open, if
/// the authorization server does not answer without a page.
///
/// # Errors
///
/// [`LoginError`], when there is no token for the target. If one of the other tokens is not granted, the login
/// succeeds, and the cases that need the token do not apply.
pub async fn login(options: &LoginOptions<'_>, open: impl Fn(&str, &Url)) -> Result<Login, LoginError> {
    let http = Http::new(options.authority, options.timeout)?;
    let resource = Resource::discover(&http, options.mcp_url).await?;
    let server = AuthorizationServer::discover(&http, &resource.issuer).await?;
    let listener = Listener::bind().await?;
    let registered = Registered::register(&http, &server, listener.redirect_uri(), &resource.scopes).await?;
    let mut client = authorization::Client {
        http: &http,
        server: &server,
        registered: &registered,
        listener,
        timeout: options.sign_in_timeout,
        open: &open,
    };
    let request = TokenRequest {
        purpose: "a token for this server",
        resource: &resource.identifier,
        scopes: &resource.scopes,
    };
    let right = client.authorize(&request).await?;
    let kind = kind_of(&right.token);
    let another = client
        .authorize(&TokenRequest {
            purpose: "a token for another server, which this server must reject",
            resource: ANOTHER_RESOURCE,
            ..request
        })
        .await
        .and_then(|grant| for_another_resource(grant, &resource.identifier));
    let mut tokens = vec![
        SuppliedToken {
            spec: TokenSpec {
                resource: Some(ANOTHER_RESOURCE.to_owned()),
                ..TokenSpec::of(kind)
            },
            token: another
                .map_err(|LoginError(reason)| format!("the login got no token for another server: {reason}")),
        },
        SuppliedToken {
            spec: TokenSpec::of(kind),
            token: Ok(right.token),
        },
    ];
    if let [first, _, ..] = right.scopes.as_slice() {
        let fewer = client
            .authorize(&TokenRequest {
                purpose: "a token with fewer scopes",
                scopes: std::slice::from_ref(first),
                ..request
            })
            .await
            .and_then(|grant| with_one_scope(grant, first));
        tokens.push(SuppliedToken {
            spec: TokenSpec {
                scopes: Some(vec![first.clone()]),
                ..TokenSpec::of(kind)
            },
            token: fewer
                .map_err(|LoginError(reason)| format!("the login got no token with fewer scopes: {reason}")),
        });
    }
    Ok(Login {
        issuer: server.issuer,
        tokens,
        resource: resource.identifier,
        scopes: right.scopes,
        kind,
    })
}

/// Returns the token if it is for another resource only.
fn for_another_resource(grant: Grant, own: &str) -> Result<String, LoginError> {
    let Some(audiences) = audiences(&grant.token) else {
        return Err(LoginError::new(
            "access tokens are opaque, so their resource cannot be seen",
        ));
    };
    let names = |resource: &str| audiences.iter().any(|one| one == resource);
    if names(ANOTHER_RESOURCE) && !names(own) {
        return Ok(grant.token);
    }
    Err(LoginError::new(format!(
        "the authorization server ignored `resource` (RFC 8707): the audience of its token is {}",
        match audiences.as_slice() {
            [] => "missing".to_owned(),
            audiences => audiences.join(", "),
        }
    )))
}

/// Returns the token if the authorization server granted this scope only.
fn with_one_scope(grant: Grant, scope: &str) -> Result<String, LoginError> {
    if grant.scopes == [scope] {
        return Ok(grant.token);
    }
    Err(LoginError::new(format!(
        "the request was for the scope {scope}, and the authorization server granted {}",
        grant.scopes.join(" ")
    )))
}

/// Returns the kind of an access token from any authorization server.
fn kind_of(token: &str) -> TokenKind {
    match audiences(token) {
        Some(_) => TokenKind::OauthToken,
        None => TokenKind::OpaqueOauthToken,
    }
}

/// Returns the audiences of a JWT, or `None` if the token is not a JWT.
fn audiences(token: &str) -> Option<Vec<String>> {
    let [_, claims, _] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let audiences = match claims.as_object()?.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) | None => Vec::new(),
    };
    Some(audiences)
}
