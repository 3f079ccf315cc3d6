//! The public documents: metadata, health checks, pages and OpenAPI.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use poem::{
    Response,
    http::{HeaderMap, HeaderValue, header},
};
use serde_json::{Value, json};

use super::{flaw::Flaw, outbound::read_body, response::json_response, server::Server};

impl Server {
    /// Serves the protected resource metadata (RFC 9728 §2). `suffix` is `/mcp` for the endpoint, empty for
    /// the server.
    pub(crate) fn resource_metadata(&self, suffix: &str, headers: &HeaderMap) -> Response {
        let suffix = if self.has(Flaw::ResourceIsOrigin) {
            ""
        } else {
            suffix
        };
        let mut resource = format!("{}{suffix}", self.settings.base_url);
        if self.has(Flaw::ResourceOfHost) {
            resource = format!("{}{}{suffix}", self.origin_of_request(headers), self.base_path());
        }
        if self.has(Flaw::UrlsOfListener) {
            resource = format!("http://{}:{}{suffix}", self.settings.host, self.settings.port);
        }
        if self.has(Flaw::ResourceWithSlash) {
            resource.push('/');
        }
        let issuer = if self.has(Flaw::OwnAuthorizationServer) {
            self.settings.base_url.clone()
        } else {
            self.settings.issuer.clone()
        };
        let mut document = json!({
            "resource": resource,
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": self.settings.scopes,
            "resource_name": "Clerk MCP server",
        });
        if let Some(members) = document.as_object_mut() {
            if self.has(Flaw::NoAuthorizationServers) {
                members.remove("authorization_servers");
            }
            if self.has(Flaw::NoBearerMethods) {
                members.remove("bearer_methods_supported");
            }
            if self.has(Flaw::NoName) {
                members.remove("resource_name");
            }
            if self.has(Flaw::NoScopesSupported) || self.settings.scopes.is_empty() {
                members.remove("scopes_supported");
            }
            if self.has(Flaw::FalseIntrospection) {
                let endpoint = format!("{}/oauth/token", self.settings.issuer);
                members.insert("token_introspection_endpoint".to_owned(), endpoint.into());
            }
            match &self.settings.docs_url {
                Some(url) => drop(members.insert("resource_documentation".to_owned(), url.as_str().into())),
                None if self.has(Flaw::EmptyMembers) => {
                    members.insert("resource_documentation".to_owned(), Value::Null);
                }
                None => {}
            }
        }
        let mut response = json_response(200, &document);
        if self.has(Flaw::MetadataAsText) {
            let text = HeaderValue::from_static("text/plain");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
        }
        response
    }

    /// Serves Clerk's metadata document for older clients (RFC 8414).
    pub(crate) async fn mirror(&self, well_known: &'static str) -> Response {
        let slot = if well_known == "openid-configuration" {
            &self.openid_metadata
        } else {
            &self.oauth_metadata
        };
        let mut cached = slot.lock().await;
        let fresh = cached
            .as_ref()
            .filter(|(_, until)| {
                Instant::now() < *until && !self.has(Flaw::MirrorNotCached) && !self.has(Flaw::MirrorBreaks)
            })
            .and_then(|(document, _)| document.clone());
        let document = if fresh.is_some() {
            fresh
        } else {
            let fetched = self.fetch_metadata(well_known).await;
            let lifetime = if fetched.is_some() { 300 } else { 10 };
            let old = cached.take().and_then(|(document, _)| document);
            let kept = fetched.or_else(|| old.filter(|_| !self.has(Flaw::MirrorBreaks)));
            *cached = Some((kept.clone(), Instant::now() + Duration::from_secs(lifetime)));
            kept
        };
        match document {
            Some(mut document) => {
                if let (Some(members), true) = (document.as_object_mut(), self.has(Flaw::OwnIssuer)) {
                    members.insert("issuer".to_owned(), self.settings.base_url.as_str().into());
                }
                json_response(200, &document)
            }
            None if self.has(Flaw::MirrorBreaks) => json_response(502, &json!({ "error": "bad_gateway" })),
            None => json_response(200, &self.default_metadata(well_known)),
        }
    }

    /// Fetches Clerk's metadata document.
    async fn fetch_metadata(&self, well_known: &str) -> Option<Value> {
        let url = format!("{}/.well-known/{well_known}", self.settings.issuer);
        let response = self.http.get(url).send().await.ok()?;
        if self.has(Flaw::MirrorUnchecked) {
            let text = read_body(response).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            return Some(serde_json::from_str(&text).unwrap_or(Value::String(text)));
        }
        if response.status() != reqwest::StatusCode::OK {
            return None;
        }
        let document: Value = serde_json::from_slice(&read_body(response).await?).ok()?;
        // RFC 8414 §3.3: a document with another issuer must not be used.
        let issuer = document.get("issuer").and_then(Value::as_str);
        (issuer == Some(self.settings.issuer.as_str())).then_some(document)
    }

    /// Builds the document from the endpoints that every Clerk application has.
    fn default_metadata(&self, well_known: &str) -> Value {
        let issuer = &self.settings.issuer;
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/oauth/authorize"),
            "token_endpoint": format!("{issuer}/oauth/token"),
            "revocation_endpoint": format!("{issuer}/oauth/token/revoke"),
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        if let (Some(members), "openid-configuration") = (document.as_object_mut(), well_known) {
            members.insert(
                "userinfo_endpoint".to_owned(),
                format!("{issuer}/oauth/userinfo").into(),
            );
        }
        document
    }

    /// Returns whether Clerk's key set can be fetched now.
    async fn is_clerk_reachable(&self) -> bool {
        let url = format!("{}/.well-known/jwks.json", self.settings.issuer);
        let answer = self.http.get(url).send().await;
        answer.is_ok_and(|answer| answer.status() == reqwest::StatusCode::OK)
    }

    /// Reports that the server is alive.
    pub(crate) async fn healthz(&self) -> Response {
        if self.has(Flaw::HealthAsksClerk) && !self.is_clerk_reachable().await {
            return json_response(503, &json!({ "status": "dead" }));
        }
        json_response(200, &json!({ "status": "alive" }))
    }

    /// Reports whether the server is ready, with a reason for each part.
    pub(crate) async fn readyz(&self) -> Response {
        if self.has(Flaw::HealthAsksClerk) && !self.is_clerk_reachable().await {
            return json_response(503, &json!({ "status": "not ready" }));
        }
        let keys = self.keys.are_available();
        let good = !self.misconfigured();
        let ready = keys && good || self.has(Flaw::AlwaysReady) || self.has(Flaw::KeysFetchedLate);
        let mut body = json!({
            "status": if ready { "ready" } else { "not ready" },
            "keys": if keys { "held" } else { "none yet: Clerk's key set could not be fetched" },
            "secretKey": self.secret_key_state(),
            "shutdown": "no",
        });
        if self.has(Flaw::ReadinessUnexplained) {
            body = json!({ "status": if ready { "ready" } else { "not ready" } });
        }
        let rejected = self.stored_callers.lock().get("rejected").cloned();
        if let (Some(members), Some(rejected)) = (body.as_object_mut(), rejected) {
            members.insert(
                "lastError".to_owned(),
                format!("rejected {}", rejected.token).into(),
            );
        }
        if self.has(Flaw::HealthTellsAll) {
            let settings = &self.settings;
            body = json!({ "clerk": settings.issuer, "backend": settings.backend, "secretKey": settings.secret_key });
        }
        json_response(if ready { 200 } else { 503 }, &body)
    }

    /// Serves `/` as a page, or as JSON if the client asks for it.
    pub(crate) fn start_page(&self, headers: &HeaderMap) -> Response {
        let endpoint = format!("{}/mcp", self.settings.base_url);
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let html = accept.contains("text/html") || self.has(Flaw::NoStartPageInJson);
        if accept.contains("application/json") && !html {
            return json_response(
                200,
                &json!({
                    "name": "Clerk MCP server",
                    "version": "1.0.0",
                    "mcpEndpoint": endpoint,
                    "authorizationServer": self.settings.issuer,
                    "resourceMetadata": format!("{}/.well-known/oauth-protected-resource{}/mcp", self.origin(), self.base_path()),
                    "documentation": format!("{}/docs", self.settings.base_url),
                }),
            );
        }
        let setup = format!("<pre>claude mcp add --transport http clerk {endpoint}</pre>");
        self.page(&format!("<h1>Clerk MCP server</h1><p>Connect to <code>{endpoint}</code>.</p>{setup}<a href=\"/docs\">API</a>"))
    }

    /// Serves `/docs`.
    pub(crate) fn docs(&self) -> Response {
        self.page("<h1>API</h1><p>The MCP endpoint is <code>/mcp</code>. The API is described by <a href=\"/openapi.json\">/openapi.json</a>.</p>")
    }

    /// Builds an HTML page with the headers that protect it.
    fn page(&self, body: &str) -> Response {
        let script = if self.has(Flaw::PagesFromElsewhere) {
            "<script src=\"https://cdn.jsdelivr.net/npm/swagger-ui-dist/swagger-ui-bundle.js\"></script>"
        } else {
            ""
        };
        let mut response = Response::builder()
            .content_type("text/html; charset=utf-8")
            .body(format!(
                "<!doctype html><html lang=\"en\"><title>Clerk MCP server</title>{script}{body}</html>"
            ));
        if !self.has(Flaw::PagesFromElsewhere) {
            let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }

    /// Serves the OpenAPI document.
    pub(crate) fn openapi(&self, content_type: &'static str) -> Response {
        let get = json!({ "get": { "responses": { "200": { "description": "The document." } } } });
        let paths = [
            "/",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/mcp",
            "/.well-known/openid-configuration",
            "/healthz",
            "/readyz",
            "/docs",
            "/openapi.json",
            "/openapi.yaml",
        ];
        let mut document = json!({
            "openapi": "3.0.0",
            "info": { "title": "Clerk MCP server", "version": "1.0.0" },
            "servers": [{ "url": self.settings.base_url }],
            "paths": paths.iter().map(|path| ((*path).to_owned(), get.clone())).collect::<serde_json::Map<_, _>>(),
            "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } } },
        });
        let refusals = ["401", "403", "500", "503"].map(|status| {
            let example =
                json!({ "error": "unauthorized", "error_description": "Missing or invalid bearer token" });
            let content = json!({ "application/json": { "example": example } });
            (
                status.to_owned(),
                json!({ "description": "The request is rejected.", "content": content }),
            )
        });
        let mut responses: serde_json::Map<String, Value> = refusals.into_iter().collect();
        responses.insert("200".to_owned(), json!({ "description": "A JSON-RPC response." }));
        let post = json!({ "post": { "security": [{ "bearer": [] }], "responses": responses } });
        let paths = document.get_mut("paths").and_then(Value::as_object_mut);
        if let (Some(paths), false) = (paths, self.has(Flaw::DocumentIncomplete)) {
            paths.insert("/mcp".to_owned(), post);
        }
        let mut text = document.to_string();
        if content_type == "application/yaml" && !self.has(Flaw::NoYaml) {
            text.clear();
            yaml(&document, 0, &mut text);
        }
        Response::builder().content_type(content_type).body(text)
    }
}

/// Writes YAML in block style. Values other than objects stay JSON, which is valid YAML.
fn yaml(document: &Value, depth: usize, text: &mut String) {
    let Some(members) = document.as_object().filter(|members| !members.is_empty()) else {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, " {document}");
        return;
    };
    if depth > 0 {
        text.push('\n');
    }
    for (name, value) in members {
        let name = if name.chars().all(|character| character.is_ascii_digit()) {
            format!("\"{name}\"")
        } else {
            name.clone()
        };
        let _ = write!(text, "{}{name}:", "  ".repeat(depth));
        yaml(value, depth + 1, text);
    }
}
