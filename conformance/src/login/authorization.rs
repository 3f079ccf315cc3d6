//! Registers a client (RFC 7591) and gets access tokens: authorization code (RFC 6749 §4.1) with PKCE
//! (RFC 7636) and `resource` (RFC 8707).

use std::time::Duration;

use aws_lc_rs::digest;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use url::Url;

use super::{
    LoginError,
    discovery::AuthorizationServer,
    http::{Http, object, rejection, without_query},
    redirect::{Listener, Parameters, parameters},
};

/// A registered client.
pub(super) struct Registered {
    id: String,
    secret: Option<String>,
    /// Whether the secret is sent in the body instead of the `Authorization` header.
    secret_in_body: bool,
}

/// Gets tokens for a registered client.
pub(super) struct Client<'a, O> {
    pub(super) http: &'a Http,
    pub(super) server: &'a AuthorizationServer,
    pub(super) registered: &'a Registered,
    pub(super) listener: Listener,
    pub(super) timeout: Duration,
    pub(super) open: &'a O,
}

/// The token to request.
#[derive(Clone, Copy)]
pub(super) struct TokenRequest<'a> {
    /// What the token is for, for the user who signs in.
    pub(super) purpose: &'a str,
    pub(super) resource: &'a str,
    /// No `scope` is sent if empty.
    pub(super) scopes: &'a [String],
}

/// An access token.
pub(super) struct Grant {
    pub(super) token: String,
    pub(super) scopes: Vec<String>,
}

impl Registered {
    pub(super) async fn register(
        http: &Http,
        server: &AuthorizationServer,
        redirect_uri: &Url,
        scopes: &[String],
    ) -> Result<Self, LoginError> {
        let Some(endpoint) = &server.registration_endpoint else {
            return Err(LoginError::new(format!(
                "the authorization server {} has no registration endpoint. Turn on dynamic client registration \
                 (RFC 7591) for the time of the run, or get a token in another way and use --token oauth_token=FILE",
                server.issuer
            )));
        };
        let mut metadata = json!({
            "client_name": "clerk-mcp-conformance",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        if let (false, Some(metadata)) = (scopes.is_empty(), metadata.as_object_mut()) {
            metadata.insert("scope".to_owned(), scopes.join(" ").into());
        }
        let answer = http.post(endpoint, |request| request.json(&metadata)).await?;
        let document = object(&answer).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        match text("client_id") {
            Some(id) if answer.status.is_success() => Ok(Self {
                id: id.to_owned(),
                secret: text("client_secret").map(str::to_owned),
                secret_in_body: text("token_endpoint_auth_method") == Some("client_secret_post"),
            }),
            Some(_) | None => Err(LoginError::new(format!(
                "{endpoint} registered no client: it answered {}",
                rejection(&answer)
            ))),
        }
    }
}

impl<O: Fn(&str, &Url)> Client<'_, O> {
    /// Gets a token: without a page if the authorization server redirects at once, otherwise in the user's
    /// browser.
    pub(super) async fn authorize(&mut self, request: &TokenRequest<'_>) -> Result<Grant, LoginError> {
        let verifier = random();
        let state = random();
        let url = self.authorization_url(request, &verifier, &state);
        let answer = self.http.get(&url, "text/html").await?;
        let location = answer
            .header("location")
            .and_then(|location| url.join(&location).ok());
        let redirect_uri = self.listener.redirect_uri();
        let redirect = location.filter(|to| without_query(to) == redirect_uri.as_str());
        let received = match redirect {
            Some(redirect) => parameters(redirect.query().unwrap_or_default()),
            // RFC 6749 §4.1.2.1: the user sees errors that are not sent to the client.
            None if answer.status == 400 => {
                return Err(LoginError::new(format!(
                    "{} answered 400 to the authorization request. Open this address to see why: {url}",
                    without_query(&url)
                )));
            }
            None => {
                (self.open)(request.purpose, &url);
                self.listener.next(self.timeout).await?
            }
        };
        let code = self.code(received, &state)?;
        self.redeem(request, &verifier, &code).await
    }

    fn authorization_url(&self, request: &TokenRequest<'_>, verifier: &str, state: &str) -> Url {
        let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
        let mut url = self.server.authorization_endpoint.clone();
        let mut query = url.query_pairs_mut();
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.registered.id),
            ("redirect_uri", self.listener.redirect_uri().as_str()),
            ("state", state),
            ("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
            ("resource", request.resource),
        ]);
        if !request.scopes.is_empty() {
            query.append_pair("scope", &request.scopes.join(" "));
        }
        drop(query);
        url
    }

    /// Returns the code in a redirect, after checking that the redirect answers this request.
    fn code(&self, mut received: Parameters, state: &str) -> Result<String, LoginError> {
        if received.get("state").map(String::as_str) != Some(state) {
            return Err(LoginError::new(
                "the redirect has no `state` or another one than the authorization request (RFC 6749 §10.12). Another \
                 page may have sent it; run the command again",
            ));
        }
        let expected = &self.server.issuer;
        match received.get("iss") {
            Some(issuer) if issuer != expected => {
                return Err(LoginError::new(format!(
                    "the redirect is from the issuer {issuer:?}, not from {expected} (RFC 9207 §2.4)"
                )));
            }
            None if self.server.sends_issuer => {
                return Err(LoginError::new(format!(
                    "the redirect has no `iss`, which {expected} promises in its metadata (RFC 9207 §2.4)"
                )));
            }
            Some(_) | None => {}
        }
        if let Some(error) = received.get("error") {
            let description = received.get("error_description");
            let description = description.map(|text| format!(": {text}")).unwrap_or_default();
            return Err(LoginError::new(if error == "access_denied" {
                format!("the consent was refused ({error}{description})")
            } else {
                format!("the authorization server rejected the request ({error}{description})")
            }));
        }
        received
            .remove("code")
            .ok_or_else(|| LoginError::new("the redirect has neither `code` nor `error`"))
    }

    async fn redeem(
        &self,
        request: &TokenRequest<'_>,
        verifier: &str,
        code: &str,
    ) -> Result<Grant, LoginError> {
        let Registered {
            id,
            secret,
            secret_in_body,
        } = self.registered;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.listener.redirect_uri().as_str()),
            ("client_id", id),
            ("code_verifier", verifier),
            ("resource", request.resource),
        ];
        if let (Some(secret), true) = (secret, secret_in_body) {
            form.push(("client_secret", secret));
        }
        let endpoint = &self.server.token_endpoint;
        let answer = self
            .http
            .post(endpoint, |post| match secret {
                Some(secret) if !secret_in_body => post.basic_auth(id, Some(secret)).form(&form),
                Some(_) | None => post.form(&form),
            })
            .await?;
        let document = object(&answer).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let Some(token) = text("access_token").filter(|_| answer.status.is_success()) else {
            return Err(LoginError::new(format!(
                "{endpoint} issued no token: it answered {}",
                rejection(&answer)
            )));
        };
        // RFC 6749 §5.1: without `scope`, the requested scopes were granted.
        let scopes = match text("scope") {
            Some(granted) => granted.split_whitespace().map(str::to_owned).collect(),
            None => request.scopes.to_vec(),
        };
        Ok(Grant {
            token: token.to_owned(),
            scopes,
        })
    }
}

/// Returns 256 random bits as text.
fn random() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
