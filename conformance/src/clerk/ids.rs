//! Identifiers and secrets of the shapes Clerk uses.

use std::fmt::Write as _;

use rand::{RngExt as _, distr::Alphanumeric};

/// `<prefix>_` and 27 alphanumeric characters, the length of the KSUIDs that Clerk's ids end in.
pub(super) fn id(prefix: &str) -> String {
    format!("{prefix}_{}", alphanumeric(27))
}

/// `length` random alphanumeric characters: almost six bits each, so 22 of them are beyond guessing.
pub(super) fn alphanumeric(length: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}

/// `oat_` and 16 upper-case characters, the `jti` of an OAuth access token.
pub(super) fn access_token_jti() -> String {
    format!("oat_{}", upper(16))
}

/// An opaque OAuth access token.
pub(super) fn opaque_access_token() -> String {
    format!("oat_{}", upper(32))
}

/// 32 hexadecimal digits.
pub(super) fn hex_32() -> String {
    hex(&rand::random::<[u8; 16]>())
}

/// 20 hexadecimal digits, the `jti` of a session token.
pub(super) fn session_token_jti() -> String {
    hex(&rand::random::<[u8; 10]>())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn upper(length: usize) -> String {
    // Upper-casing folds a and A together; what is left is still more than five bits a character.
    alphanumeric(length).to_ascii_uppercase()
}
