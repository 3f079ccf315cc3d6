//! Writes refusals as responses, with the `WWW-Authenticate` challenge.

use poem::{
    Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use serde_json::json;

use super::{
    caller::Caller,
    flaw::Flaw,
    jwt::Jwt,
    refusal::{Refusal, Row},
    server::Server,
};

impl Server {
    /// Builds the response for a rejected request. `headers` are the request's headers.
    pub(crate) fn reject(&self, refusal: &Refusal, headers: &HeaderMap) -> Response {
        let mut row = self.apply_flaw(refusal, refusal.row());
        let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let other_scheme =
            authorization.is_some_and(|value| !value.to_ascii_lowercase().starts_with(b"bearer"));
        if self.has(Flaw::SchemeWithoutChallenge) && other_scheme {
            row.challenge = None;
        }
        if let (Refusal::Scopes { .. }, Some(sent), true) =
            (refusal, authorization, self.has(Flaw::SecondRefusalUnnamed))
        {
            let key = format!("refused {}", String::from_utf8_lossy(sent));
            if self
                .stored_callers
                .lock()
                .insert(key, Caller::default())
                .is_some()
            {
                row.challenge = None;
            }
        }
        if let (Some(kid), true) = (sent_kid(headers), self.has(Flaw::ClaimsEchoed)) {
            row.description = format!("No key has the id {kid}");
        }
        if let (Some(sent), true) = (authorization, self.has(Flaw::ReadinessShowsToken)) {
            let token = String::from_utf8_lossy(sent).into_owned();
            let rejected = Caller {
                token,
                ..Caller::default()
            };
            self.stored_callers.lock().insert("rejected".to_owned(), rejected);
        }
        if let (Some(sent), true) = (authorization, self.has(Flaw::TokenLogged)) {
            self.print(&format!("rejected {}", String::from_utf8_lossy(sent)));
        }
        let body = self.refusal_body(refusal, &row, headers);
        let mut response = Response::builder()
            .status(StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .content_type("application/json; charset=utf-8")
            .body(body);
        let response_headers = response.headers_mut();
        if self.has(Flaw::PlainTextRefusals) {
            response_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        let cache_control = if self.has(Flaw::RefusalsCached) {
            "public, max-age=3600"
        } else {
            "no-store"
        };
        response_headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        if let Refusal::Unavailable(seconds) = refusal
            && !self.has(Flaw::NoRetryAfter)
        {
            response_headers.insert(header::RETRY_AFTER, (*seconds).into());
        }
        if row.status == 302 {
            response_headers.insert(header::LOCATION, HeaderValue::from_static("/sign-in"));
        }
        if let Some(error) = row.challenge
            && let Ok(challenge) = HeaderValue::try_from(self.challenge(refusal, error, &row, headers))
        {
            response_headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// Changes the row as the flaw demands.
    fn apply_flaw(&self, refusal: &Refusal, mut row: Row) -> Row {
        let bad = matches!(refusal, Refusal::Expired | Refusal::Invalid(_));
        let missing = *refusal == Refusal::Missing;
        let Some(flaw) = self.flaw else { return row };
        match (flaw, refusal) {
            (Flaw::NoChallenge, _) | (Flaw::MissingScopeUnnamed, Refusal::Scopes { .. }) => {
                row.challenge = None;
            }
            (Flaw::ChallengeOnMissingOnly, _) if !missing => row.challenge = None,
            (Flaw::ErrorOnMissing, _) if missing => row.challenge = Some("invalid_token"),
            (Flaw::NoError, _) if bad => row.challenge = Some(""),
            (Flaw::OtherError, _) if bad => row.challenge = Some("invalid_request"),
            (Flaw::RefusedWith403, _) if bad => row.status = 403,
            (Flaw::RefusedWith400, _) if bad => row.status = 400,
            (Flaw::RefusedWith200, _) if bad || missing => row.status = 200,
            (Flaw::RedirectsToSignIn, _) if missing => row.status = 302,
            (Flaw::TwoTokensAs401, Refusal::TwoCredentials)
            | (Flaw::MissingScopeAs401, Refusal::Scopes { .. }) => {
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

    /// Builds the body, which is JSON unless a flaw changes it.
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

    /// Builds `WWW-Authenticate` (RFC 6750 §3, RFC 9728 §5.1). The parameters are in fixed order and quoted.
    fn challenge(&self, refusal: &Refusal, error: &str, row: &Row, headers: &HeaderMap) -> String {
        let mut parameters = Vec::new();
        if !error.is_empty() {
            parameters.push(("error", error.to_owned()));
            parameters.push(("error_description", row.description.clone()));
        }
        let scopes = if let Refusal::Scopes { needed, granted } = refusal {
            union(granted, needed)
        } else {
            self.settings.scopes.clone()
        };
        let scopes = scopes.join(" ");
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

    /// Returns the URL of the endpoint's metadata, with the well-known segment between host and path
    /// (RFC 9728 §3.1).
    fn metadata_url(&self, headers: &HeaderMap) -> String {
        let (base_path, well_known) = (self.base_path(), "/.well-known/oauth-protected-resource");
        if self.has(Flaw::RelativeResourceMetadata) {
            return format!("{well_known}{base_path}/mcp");
        }
        let origin = if self.has(Flaw::UrlsOfListener) {
            format!("http://{}:{}", self.settings.host, self.settings.port)
        } else if self.has(Flaw::ResourceMetadataOfHost) {
            self.origin_of_request(headers)
        } else {
            self.origin()
        };
        if self.has(Flaw::PathOfBaseIgnored) {
            return format!("{origin}{base_path}{well_known}/mcp");
        }
        format!("{origin}{well_known}{base_path}/mcp")
    }
}

/// Returns the key id of the token in the request.
fn sent_kid(headers: &HeaderMap) -> Option<String> {
    let token = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?
        .1;
    let jwt = Jwt::parse(token, None).ok()?;
    jwt.header_text("kid").map(str::to_owned)
}

/// Returns the scopes of both lists, each once.
pub(crate) fn union(first: &[String], second: &[String]) -> Vec<String> {
    let added = second.iter().filter(|scope| !first.contains(scope));
    first.iter().chain(added).cloned().collect()
}
