//! Helpers for inline scripts and styles of pages: escapes their data, and computes the hash that the Content
//! Security Policy needs.

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
