//! The names and formats that profiles and cases share: options, settings, durations.

use std::time::Duration;

use local_clerk::mint::TokenKind;

/// What a profile can offer besides token kinds, each with its meaning.
#[rustfmt::skip]
pub const OPTIONS: &[(&str, &str)] = &[
    ("revision-2025-11-25", "Speaks MCP 2025-11-25 (initialize)."),
    ("revision-2026-07-28", "Speaks MCP 2026-07-28 (server/discover)."),
    ("texts", "Rejects requests with the bodies and descriptions of clerk-mcp."),
    ("tools", "Has the four tools of clerk-mcp."),
    ("identity", "Has a tool whose result contains the user id of its caller and of no other user (identity_tool of the profile)."),
    ("admin-tool", "Has a tool that requires the role org:admin (admin_tool of the profile)."),
    ("public-tool", "Lets callers without a token discover the server and call a tool (public_tool of the profile)."),
    ("rs384", "Accepts RS384 (algorithms of the profile)."),
    ("ps256", "Accepts PS256 (algorithms of the profile)."),
    ("several-scopes", "Uses at least two scopes (scopes of the profile)."),
    ("root-metadata", "Also serves protected resource metadata for the server as a whole, at the root of the host."),
    ("authorization-server-metadata", "Mirrors Clerk's RFC 8414 document for older clients."),
    ("full-mirror", "Mirrors it at every path that clients try, even while Clerk is unavailable."),
    ("cors", "Lets web pages of other origins read its responses."),
    ("origin-check", "Rejects origins that are not allowed."),
    ("host-check", "Rejects hosts that are not its own."),
    ("health", "Serves /healthz and /readyz."),
    ("pages", "Serves a start page, /docs and the OpenAPI documents."),
    ("start-messages", "Reports configuration errors as clerk-mcp does, and exits with 78."),
    ("asks-clerk", "Has Clerk verify every token, JWTs included, and holds no keys itself."),
    ("retry-after", "Answers 503 with Retry-After while Clerk is unavailable."),
];

/// The options of which only a copy of clerk-mcp can have one.
const OF_CLERK_MCP: [&str; 6] = [
    "texts",
    "tools",
    "full-mirror",
    "health",
    "pages",
    "start-messages",
];

/// The settings that cases can change, each with the value that cases give it. A profile maps those that its
/// server has to environment variables.
#[rustfmt::skip]
pub const SETTINGS: &[(&str, &str)] = &[
    ("accepted_tokens", "Accepted token kinds, comma-separated: session_token,api_key."),
    ("audience", "Whether an OAuth token must name this server: required, if-present or off."),
    ("authorized_parties", "Allowed azp values, comma-separated."),
    ("clock_skew", "Leeway for token times: 5s."),
    ("jwt_key", "Public key that verifies tokens, as PEM."),
    ("scopes", "Scopes that the server advertises to clients, comma-separated."),
    ("required_scopes", "Scopes that every token must have, comma-separated."),
    ("docs_url", "URL of the server's documentation."),
    ("allowed_origins", "Origins of web pages that may call the server, comma-separated."),
    ("max_body", "Maximum request body size: 10 KiB."),
    ("base_url", "Public URL, different from the listen address. Requests have its path."),
    ("publishable_key", "Clerk's publishable key, valid or invalid."),
];

/// The placeholders for the profile's `key_interval` and `role_interval`, which cases use as pauses.
pub(crate) const INTERVALS: [&str; 2] = ["{key_interval}", "{role_interval}"];

/// Returns whether a profile can offer this, other than token kinds.
pub(crate) fn is_option(name: &str) -> bool {
    contains(OPTIONS, name)
}

/// Returns whether only a copy of clerk-mcp can offer this.
pub(crate) fn is_of_clerk_mcp(option: &str) -> bool {
    OF_CLERK_MCP.contains(&option)
}

/// Returns whether a case can need this: an option or a token kind.
pub(crate) fn is_option_or_kind(name: &str) -> bool {
    is_option(name) || serde_json::from_value::<TokenKind>(name.into()).is_ok()
}

/// Returns whether a case can change this.
pub(crate) fn is_setting(name: &str) -> bool {
    contains(SETTINGS, name)
}

fn contains(table: &[(&str, &str)], name: &str) -> bool {
    table.iter().any(|(one, _)| *one == name)
}

/// Parses `1s` or `500ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}
