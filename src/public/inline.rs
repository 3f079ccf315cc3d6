//! Helpers for pages with inline scripts and styles: escapes their data, and builds the Content Security
//! Policy that allows them.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::digest;

/// Formats `data` as JSON that can be the text of a script element: `</script>` or `<!--` in a string would
/// break it.
pub(super) fn script_data(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

/// Returns the source expression of a Content Security Policy that allows the inline script or style `text`.
pub(super) fn hash_source(text: &str) -> String {
    format!(
        "'sha256-{}'",
        BASE64_STANDARD.encode(digest::sha256(text.as_bytes()))
    )
}

/// Returns the Content Security Policy of a page: `directives`, images from `data:` URLs, and nothing else.
pub(super) fn content_security_policy(directives: &str) -> String {
    format!(
        "default-src 'none'; img-src data:; {directives}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}
