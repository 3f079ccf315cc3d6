//! Refusals: the table of what a client gets, and the challenge.

use poem::{
    Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use serde_json::json;

use super::{flaw::Flaw, server::Server};

/// Why a request is refused. The text of `Invalid` is the reason, which clients are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No token, or nothing that looks like one.
    Missing,
    /// More than one credential.
    TwoCredentials,
    Expired,
    Invalid(&'static str),
    /// The scopes that are needed, all of them.
    Scopes(Vec<String>),
    /// Our secret key is bad.
    Misconfigured,
    /// Clerk is away; when to come again, in seconds.
    Unavailable(u64),
    /// Our own fault.
    Internal,
}

/// A row of the table: status, `error` of the challenge if there is one, `error` and `error_description` of the body.
struct Row {
    status: u16,
    challenge: Option<&'static str>,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn row(&self) -> Row {
        let (status, challenge, error, description) = match self {
            Self::Missing => (
                401,
                Some(""),
                "unauthorized",
                "Missing or invalid bearer token".to_owned(),
            ),
            Self::TwoCredentials => (
                400,
                Some("invalid_request"),
                "invalid_request",
                "Exactly one bearer token is expected".to_owned(),
            ),
            Self::Expired => (
                401,
                Some("invalid_token"),
                "token_expired",
                "Token has expired".to_owned(),
            ),
            Self::Invalid(_) => (
                401,
                Some("invalid_token"),
                "invalid_token",
                "Token verification failed".to_owned(),
            ),
            Self::Scopes(scopes) => {
                let needed = format!("Required scopes: {}", scopes.join(" "));
                (403, Some("insufficient_scope"), "insufficient_scope", needed)
            }
            Self::Misconfigured => (
                500,
                None,
                "server_error",
                "Authentication service misconfigured".to_owned(),
            ),
            Self::Unavailable(_) => (
                503,
                None,
                "temporarily_unavailable",
                "Authentication service unavailable".to_owned(),
            ),
            Self::Internal => (
                500,
                None,
                "server_error",
                "Authentication processing failed".to_owned(),
            ),
        };
        Row {
            status,
            challenge,
            error,
            description,
        }
    }
}

impl Server {
    /// The whole answer. `headers` are those of the request.
    pub(crate) fn refuse(&self, refusal: &Refusal, headers: &HeaderMap) -> Response {
        let row = self.flawed(refusal, refusal.row());
        let body = self.refusal_body(refusal, &row, headers);
        let mut response = Response::builder()
            .status(StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .content_type("application/json; charset=utf-8")
            .body(body);
        let answer = response.headers_mut();
        if self.has(Flaw::PlainTextRefusals) {
            answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        let cached = if self.has(Flaw::RefusalsCached) {
            "public, max-age=3600"
        } else {
            "no-store"
        };
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
        if let Refusal::Unavailable(seconds) = refusal
            && !self.has(Flaw::NoRetryAfter)
        {
            answer.insert(header::RETRY_AFTER, (*seconds).into());
        }
        if row.status == 302 {
            answer.insert(header::LOCATION, HeaderValue::from_static("/sign-in"));
        }
        if let Some(error) = row.challenge
            && let Ok(challenge) = HeaderValue::try_from(self.challenge(refusal, error, &row, headers))
        {
            answer.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// The row, as the flaws have it.
    fn flawed(&self, refusal: &Refusal, mut row: Row) -> Row {
        let bad = matches!(refusal, Refusal::Expired | Refusal::Invalid(_));
        let missing = *refusal == Refusal::Missing;
        let Some(flaw) = self.flaw else { return row };
        match (flaw, refusal) {
            (Flaw::NoChallenge, _) | (Flaw::MissingScopeUnnamed, Refusal::Scopes(_)) => row.challenge = None,
            (Flaw::ChallengeOnMissingOnly, _) if !missing => row.challenge = None,
            (Flaw::ErrorOnMissing, _) if missing => row.challenge = Some("invalid_token"),
            (Flaw::NoError, _) if bad => row.challenge = Some(""),
            (Flaw::OtherError, _) if bad => row.challenge = Some("invalid_request"),
            (Flaw::RefusedWith403, _) if bad => row.status = 403,
            (Flaw::RefusedWith400, _) if bad => row.status = 400,
            (Flaw::RefusedWith200, _) if bad || missing => row.status = 200,
            (Flaw::RedirectsToSignIn, _) if missing => row.status = 302,
            (Flaw::TwoTokensAs401, Refusal::TwoCredentials)
            | (Flaw::MissingScopeAs401, Refusal::Scopes(_)) => {
                row.status = 401;
            }
            (Flaw::ExpiredAsInvalid, Refusal::Expired) => row = Refusal::Invalid("").row(),
            (Flaw::ChallengeOn503, Refusal::Unavailable(_) | Refusal::Misconfigured) => {
                row.challenge = Some("invalid_token");
            }
            (Flaw::OutageAs401, Refusal::Unavailable(_)) | (Flaw::BadSecretAs401, Refusal::Misconfigured) => {
                row = Refusal::Invalid("").row();
            }
            (Flaw::OutageAs500, Refusal::Unavailable(_)) => row.status = 500,
            (Flaw::BadSecretAs503, Refusal::Misconfigured) => row = Refusal::Unavailable(5).row(),
            (Flaw::OtherTexts, _) => {
                row.description = format!("Sorry: {}", row.description.to_lowercase());
                row.error = "auth_error";
            }
            _ => {}
        }
        row
    }

    fn refusal_body(&self, refusal: &Refusal, row: &Row, headers: &HeaderMap) -> String {
        let mut body = json!({ "error": row.error, "error_description": row.description });
        if let (Refusal::Invalid(reason), true) = (refusal, self.has(Flaw::ReasonLeaked)) {
            body = json!({ "error": row.error, "error_description": row.description, "reason": reason });
        }
        if self.has(Flaw::StackShown) {
            body = json!({ "error": row.error, "stack": "panicked at /app/src/auth.rs:12:5" });
        }
        if self.has(Flaw::TokenLeaked) {
            let sent = headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok());
            body = json!({ "error": row.error, "error_description": row.description, "received": sent });
        }
        if self.has(Flaw::SecretLeaked) && row.status >= 500 {
            let request = format!("Authorization: Bearer {}", self.settings.secret_key);
            body = json!({ "error": row.error, "error_description": row.description, "request": request });
        }
        if self.has(Flaw::RefusedWith200) && row.status == 200 {
            let error = json!({ "code": -32001, "message": row.description });
            body = json!({ "jsonrpc": "2.0", "id": null, "error": error });
        }
        if self.has(Flaw::PlainTextRefusals) {
            return row.description.clone();
        }
        body.to_string()
    }

    /// `WWW-Authenticate` (RFC 6750 §3, RFC 9728 §5.1): always these parameters in this order, quoted.
    fn challenge(&self, refusal: &Refusal, error: &str, row: &Row, headers: &HeaderMap) -> String {
        let mut parameters = Vec::new();
        if !error.is_empty() {
            parameters.push(("error", error.to_owned()));
            parameters.push(("error_description", row.description.clone()));
        }
        let needed = if let Refusal::Scopes(needed) = refusal {
            needed
        } else {
            &self.settings.scopes
        };
        let scopes = needed.join(" ");
        if !scopes.is_empty() && !self.has(Flaw::NoScope) {
            parameters.push(("scope", scopes));
        }
        let metadata = self.metadata_url(headers);
        if !self.has(Flaw::NoResourceMetadata) {
            parameters.push(("resource_metadata", metadata.clone()));
        }
        if self.has(Flaw::TwiceTheParameter) {
            parameters.push(("resource_metadata", metadata));
        }
        if self.has(Flaw::OtherOrder) {
            parameters.reverse();
        }
        let quote = if self.has(Flaw::Unquoted) { "" } else { "\"" };
        let comma = if self.has(Flaw::NoCommas) { " " } else { ", " };
        let parameters: Vec<String> = parameters
            .into_iter()
            .map(|(name, value)| format!("{name}={quote}{value}{quote}"))
            .collect();
        format!("Bearer {}", parameters.join(comma))
    }

    /// The metadata of the endpoint: the well-known segment goes between host and path (RFC 9728 §3.1).
    fn metadata_url(&self, headers: &HeaderMap) -> String {
        let (prefix, well_known) = (self.prefix(), "/.well-known/oauth-protected-resource");
        if self.has(Flaw::RelativeResourceMetadata) {
            return format!("{well_known}{prefix}/mcp");
        }
        let origin = if self.has(Flaw::UrlsOfListener) {
            format!("http://{}:{}", self.settings.host, self.settings.port)
        } else if self.has(Flaw::ResourceMetadataOfHost) {
            self.origin_of_request(headers)
        } else {
            self.origin()
        };
        if self.has(Flaw::PathOfBaseIgnored) {
            return format!("{origin}{prefix}{well_known}/mcp");
        }
        format!("{origin}{well_known}{prefix}/mcp")
    }
}
