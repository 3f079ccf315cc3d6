//! The table of references: every section of a specification that a case may cite, with its title and URL.
//!
//! A case cites a section by its key, such as `rfc6750#3.1`. Loading a case fails if the table lacks a key.

use serde::{Deserialize, Serialize};

/// A section of a specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The key in cases: `rfc6750#3.1`.
    pub key: String,
    /// The title: `RFC 6750 §3.1, Error Codes`.
    pub title: String,
    /// The URL. `None` for this project's README.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A specification, with the sections that cases cite.
struct Specification {
    key: &'static str,
    /// The name, which precedes the section in titles.
    name: &'static str,
    url_form: UrlForm,
    /// The section of each key, after `#`, and its title.
    sections: &'static [(&'static str, &'static str)],
}

/// How the URL of a section is built.
enum UrlForm {
    /// An RFC, with a fragment such as `#section-3.1`.
    Rfc,
    /// A revision of MCP, with a page and a fragment such as `authorization#error-handling`.
    Mcp,
    /// The section is appended to this base.
    Base(&'static str),
    /// This project's README, which says what this server does beyond the specifications. It has no URL.
    Readme,
}

impl Reference {
    /// Returns the section with this key, if the table contains it.
    pub fn find(key: &str) -> Option<Self> {
        let (specification, section) = key.split_once('#')?;
        let specification = SPECIFICATIONS.iter().find(|one| one.key == specification)?;
        let (section, title) = specification.sections.iter().find(|(one, _)| *one == section)?;
        let Specification {
            key: document, name, ..
        } = specification;
        let url = match specification.url_form {
            UrlForm::Rfc => Some(format!(
                "https://www.rfc-editor.org/rfc/{document}#section-{section}"
            )),
            UrlForm::Mcp => Some(format!(
                "https://modelcontextprotocol.io/specification/{}/{section}",
                document.trim_start_matches("mcp-")
            )),
            UrlForm::Base(base) => Some(format!("{base}{section}")),
            UrlForm::Readme => None,
        };
        let title = match specification.url_form {
            UrlForm::Rfc => format!("{name} §{section}, {title}"),
            UrlForm::Mcp | UrlForm::Base(_) | UrlForm::Readme => format!("{name}, {title}"),
        };
        Some(Self {
            key: key.to_owned(),
            title,
            url,
        })
    }

    /// Returns all sections, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        SPECIFICATIONS.iter().flat_map(|specification| {
            specification
                .sections
                .iter()
                .filter_map(|(section, _)| Self::find(&format!("{}#{section}", specification.key)))
        })
    }
}

#[rustfmt::skip]
static SPECIFICATIONS: &[Specification] = &[
    rfc("rfc6749", "RFC 6749", &[
        ("3.3", "Access Token Scope"),
    ]),
    rfc("rfc6750", "RFC 6750", &[
        ("2", "Authenticated Requests"),
        ("2.1", "Authorization Request Header Field"),
        ("2.2", "Form-Encoded Body Parameter"),
        ("2.3", "URI Query Parameter"),
        ("3", "The WWW-Authenticate Response Header Field"),
        ("3.1", "Error Codes"),
        ("5.2", "Threat Mitigation"),
        ("5.3", "Summary of Recommendations"),
    ]),
    rfc("rfc7239", "RFC 7239", &[
        ("8.1", "Header Validity and Integrity"),
    ]),
    rfc("rfc7515", "RFC 7515", &[
        ("2", "Terminology"),
        ("3.1", "JWS Compact Serialization Overview"),
        ("4", "JOSE Header"),
        ("4.1.1", "\"alg\" (Algorithm) Header Parameter"),
        ("4.1.2", "\"jku\" (JWK Set URL) Header Parameter"),
        ("4.1.3", "\"jwk\" (JSON Web Key) Header Parameter"),
        ("4.1.4", "\"kid\" (Key ID) Header Parameter"),
        ("4.1.5", "\"x5u\" (X.509 URL) Header Parameter"),
        ("4.1.6", "\"x5c\" (X.509 Certificate Chain) Header Parameter"),
        ("4.1.9", "\"typ\" (Type) Header Parameter"),
        ("4.1.11", "\"crit\" (Critical) Header Parameter"),
        ("5.2", "Message Signature or MAC Validation"),
        ("10.9", "Signature Algorithm Protection"),
        ("10.12", "JSON Security Considerations"),
    ]),
    rfc("rfc7517", "RFC 7517", &[
        ("4.1", "\"kty\" (Key Type) Parameter"),
        ("4.2", "\"use\" (Public Key Use) Parameter"),
        ("4.3", "\"key_ops\" (Key Operations) Parameter"),
        ("4.4", "\"alg\" (Algorithm) Parameter"),
        ("4.5", "\"kid\" (Key ID) Parameter"),
        ("5", "JWK Set Format"),
    ]),
    rfc("rfc7518", "RFC 7518", &[
        ("3.3", "Digital Signature with RSASSA-PKCS1-v1_5"),
        ("3.6", "Using the Algorithm \"none\""),
        ("6.3.1", "Parameters for RSA Public Keys"),
    ]),
    rfc("rfc7519", "RFC 7519", &[
        ("2", "Terminology"),
        ("4", "JWT Claims"),
        ("4.1.1", "\"iss\" (Issuer) Claim"),
        ("4.1.2", "\"sub\" (Subject) Claim"),
        ("4.1.3", "\"aud\" (Audience) Claim"),
        ("4.1.4", "\"exp\" (Expiration Time) Claim"),
        ("4.1.5", "\"nbf\" (Not Before) Claim"),
        ("4.1.6", "\"iat\" (Issued At) Claim"),
        ("7.2", "Validating a JWT"),
    ]),
    rfc("rfc8414", "RFC 8414", &[
        ("2", "Authorization Server Metadata"),
        ("3", "Obtaining Authorization Server Metadata"),
        ("3.3", "Authorization Server Metadata Validation"),
    ]),
    rfc("rfc8693", "RFC 8693", &[
        ("4.1", "\"act\" (Actor) Claim"),
    ]),
    rfc("rfc8707", "RFC 8707", &[
        ("2", "Resource Parameter"),
    ]),
    rfc("rfc8725", "RFC 8725", &[
        ("2.1", "Weak Signatures and Insufficient Signature Validation"),
        ("2.8", "Cross-JWT Confusion"),
        ("3.1", "Perform Algorithm Verification"),
        ("3.2", "Use Appropriate Algorithms"),
        ("3.3", "Validate All Cryptographic Operations"),
        ("3.8", "Validate Issuer and Subject"),
        ("3.9", "Use and Validate Audience"),
        ("3.10", "Do Not Trust Received Claims"),
        ("3.11", "Use Explicit Typing"),
        ("3.12", "Use Mutually Exclusive Validation Rules for Different Kinds of JWTs"),
    ]),
    rfc("rfc9068", "RFC 9068", &[
        ("2.1", "Header"),
        ("2.2", "Data Structure"),
        ("4", "Validating JWT Access Tokens"),
        ("5", "Security Considerations"),
    ]),
    rfc("rfc9110", "RFC 9110", &[
        ("3.3", "Connections, Clients, and Servers"),
        ("5.3", "Field Order"),
        ("7.2", "Host and :authority"),
        ("9.3.2", "HEAD"),
        ("9.3.8", "TRACE"),
        ("10.2.3", "Retry-After"),
        ("11.1", "Authentication Scheme"),
        ("11.2", "Authentication Parameters"),
        ("11.4", "Credentials"),
        ("11.6.1", "WWW-Authenticate"),
        ("11.6.2", "Authorization"),
        ("12.5.1", "Accept"),
        ("15.5.2", "401 Unauthorized"),
        ("15.5.5", "404 Not Found"),
        ("15.5.6", "405 Method Not Allowed"),
        ("15.5.14", "413 Content Too Large"),
        ("15.6.1", "500 Internal Server Error"),
        ("15.6.4", "503 Service Unavailable"),
    ]),
    rfc("rfc9111", "RFC 9111", &[
        ("3.5", "Storing Responses to Authenticated Requests"),
        ("5.2.2.5", "no-store"),
    ]),
    rfc("rfc9112", "RFC 9112", &[
        ("3.2", "Request Target"),
        ("3.2.2", "absolute-form"),
        ("6.3", "Message Body Length"),
        ("7.1", "Chunked Transfer Coding"),
    ]),
    rfc("rfc9728", "RFC 9728", &[
        ("2", "Protected Resource Metadata"),
        ("3", "Obtaining Protected Resource Metadata"),
        ("3.1", "Protected Resource Metadata Request"),
        ("3.2", "Protected Resource Metadata Response"),
        ("3.3", "Protected Resource Metadata Validation"),
        ("5.1", "WWW-Authenticate Response"),
        ("7.3", "Impersonation Attacks"),
    ]),
    rfc("rfc3986", "RFC 3986", &[
        ("6.2.2", "Syntax-Based Normalization"),
        ("5.2.4", "Remove Dot Segments"),
    ]),
    rfc("rfc4648", "RFC 4648", &[
        ("3.5", "Canonical Encoding"),
        ("5", "Base 64 Encoding with URL and Filename Safe Alphabet"),
    ]),
    rfc("rfc8259", "RFC 8259", &[
        ("2", "JSON Grammar"),
        ("4", "Objects"),
        ("8.1", "Character Encoding"),
    ]),
    mcp("mcp-2026-07-28", "MCP 2026-07-28", &[
        ("basic/authorization", "Authorization"),
        ("basic/authorization#access-token-usage", "Access Token Usage"),
        ("basic/authorization#token-requirements", "Token Requirements"),
        ("basic/authorization#token-handling", "Token Handling"),
        ("basic/authorization#error-handling", "Error Handling"),
        ("basic/authorization#scope-challenge-handling", "Scope Challenge Handling"),
        ("basic/authorization#scope-selection-strategy", "Scope Selection Strategy"),
        ("basic/authorization#canonical-server-uri", "Canonical Server URI"),
        ("basic/authorization/authorization-server-discovery#authorization-server-location", "Authorization Server Location"),
        ("basic/authorization/authorization-server-discovery#protected-resource-metadata-discovery-requirements", "Protected Resource Metadata Discovery Requirements"),
        ("basic/authorization/security-considerations#access-token-privilege-restriction", "Access Token Privilege Restriction"),
        ("basic/authorization/security-considerations#token-audience-binding-and-validation", "Token Audience Binding and Validation"),
        ("basic/authorization#refresh-tokens", "Refresh Tokens"),
        ("basic/transports/streamable-http#security-%26-endpoint", "Streamable HTTP, Security & Endpoint"),
        ("basic/transports/streamable-http", "Streamable HTTP"),
        ("basic/versioning", "Versioning"),
        ("server/discover", "Discovery"),
        ("server/tools", "Tools"),
        ("server/utilities/caching", "Caching"),
    ]),
    mcp("mcp-2025-11-25", "MCP 2025-11-25", &[
        ("basic/authorization#token-requirements", "Token Requirements"),
        ("basic/authorization#scope-challenge-handling", "Scope Challenge Handling"),
        ("basic/lifecycle", "Lifecycle"),
        ("basic/lifecycle#version-negotiation", "Version Negotiation"),
        ("basic/transports#streamable-http", "Streamable HTTP"),
        ("basic/transports#security-warning", "Streamable HTTP, Security Warning"),
        ("basic/transports#protocol-version-header", "Protocol Version Header"),
        ("basic/transports#session-management", "Session Management"),
        ("basic/security_best_practices#token-passthrough", "Token Passthrough"),
        ("basic/security_best_practices#confused-deputy-problem", "Confused Deputy Problem"),
        ("basic/security_best_practices#session-hijacking", "Session Hijacking"),
        ("server/tools", "Tools"),
        ("server/tools#error-handling", "Tools, Error Handling"),
        ("server/tools#structured-content", "Tools, Structured Content"),
    ]),
    base("clerk", "Clerk", "https://clerk.com/docs/", &[
        ("guides/sessions/session-tokens", "Session tokens"),
        ("guides/sessions/manual-jwt-verification", "Manual JWT verification"),
        ("guides/sessions/jwt-templates", "JWT templates"),
        ("guides/organizations/control-access/roles-and-permissions", "Roles and permissions"),
        ("guides/configure/auth-strategies/oauth/overview", "OAuth applications"),
        ("guides/configure/auth-strategies/oauth/verify-oauth-tokens", "Verify OAuth tokens"),
        ("guides/development/machine-auth/overview", "Machine authentication"),
        ("guides/development/machine-auth/m2m-tokens", "M2M tokens"),
        ("guides/development/machine-auth/api-keys", "API keys"),
        ("guides/development/mcp/build-mcp-server", "Build an MCP server"),
        ("guides/how-clerk-works/system-limits", "System limits"),
        ("guides/users/impersonation", "User impersonation"),
        ("reference/backend-api", "Backend API"),
    ]),
    base("jsonrpc", "JSON-RPC 2.0", "https://www.jsonrpc.org/specification#", &[
        ("request_object", "Request object"),
        ("response_object", "Response object"),
        ("error_object", "Error object"),
        ("batch", "Batch"),
    ]),
    base("fetch", "Fetch", "https://fetch.spec.whatwg.org/#", &[
        ("http-cors-protocol", "CORS protocol"),
        ("cors-preflight-fetch", "CORS-preflight fetch"),
        ("http-access-control-expose-headers", "Access-Control-Expose-Headers"),
        ("x-content-type-options-header", "X-Content-Type-Options"),
    ]),
    base("owasp", "OWASP", "https://cheatsheetseries.owasp.org/cheatsheets/", &[
        ("Error_Handling_Cheat_Sheet.html", "Error Handling"),
        ("Logging_Cheat_Sheet.html", "Logging"),
        ("Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html", "Unvalidated Redirects and Forwards"),
        ("Denial_of_Service_Cheat_Sheet.html", "Denial of Service"),
    ]),
    Specification {
        key: "clerk-mcp",
        name: "clerk-mcp README",
        url_form: UrlForm::Readme,
        sections: &[
            ("refusals", "Refusals"),
            ("configuration", "Configuration"),
            ("endpoints-and-tools", "Endpoints and tools"),
            ("organizations-roles-and-permissions", "Organizations, roles and permissions"),
        ],
    },
];

const fn rfc(
    key: &'static str,
    name: &'static str,
    sections: &'static [(&'static str, &'static str)],
) -> Specification {
    Specification {
        key,
        name,
        url_form: UrlForm::Rfc,
        sections,
    }
}

const fn mcp(
    key: &'static str,
    name: &'static str,
    sections: &'static [(&'static str, &'static str)],
) -> Specification {
    Specification {
        key,
        name,
        url_form: UrlForm::Mcp,
        sections,
    }
}

const fn base(
    key: &'static str,
    name: &'static str,
    base: &'static str,
    sections: &'static [(&'static str, &'static str)],
) -> Specification {
    Specification {
        key,
        name,
        url_form: UrlForm::Base(base),
        sections,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn urls_are_valid_and_unique() {
        let all: Vec<Reference> = Reference::all().collect();
        let urls: Vec<&String> = all.iter().filter_map(|one| one.url.as_ref()).collect();
        let unique: HashSet<&String> = urls.iter().copied().collect();
        assert_eq!(unique.len(), urls.len());
        for url in urls {
            url::Url::parse(url).unwrap();
        }
    }

    #[test]
    fn sections_are_found_by_key() {
        let found = Reference::find("rfc6750#3.1").unwrap();
        assert_eq!(found.title, "RFC 6750 §3.1, Error Codes");
        assert_eq!(
            found.url.unwrap(),
            "https://www.rfc-editor.org/rfc/rfc6750#section-3.1"
        );
        assert_eq!(Reference::find("rfc6750#9"), None);
        assert_eq!(Reference::find("rfc6750"), None);
    }
}
