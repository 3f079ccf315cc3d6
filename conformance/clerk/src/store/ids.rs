//! Generates identifiers and secrets in Clerk's formats, random or derived from a seed.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    mem,
};

use aws_lc_rs::digest;
use parking_lot::Mutex;

/// Digits and letters: almost six bits each, so 22 characters cannot be guessed.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A generator of identifiers and secrets. They are random unless there is a seed.
///
/// With a seed, each kind of identifier has its own sequence, so generating trace ids does not change the
/// next client id. The bytes are SHA-256 over seed, kind and position, so they are the same on every machine.
///
/// **A seed makes every secret predictable.**
pub(crate) struct Ids {
    seed: Option<u64>,
    /// The next position in the sequence of each kind.
    positions: Mutex<HashMap<&'static str, u64>>,
}

impl Ids {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self {
            seed,
            positions: Mutex::default(),
        }
    }

    /// Returns `<prefix>_` followed by 27 alphanumeric characters, the length of the KSUIDs in Clerk's ids.
    pub(crate) fn id(&self, prefix: &'static str) -> String {
        format!("{prefix}_{}", self.alphanumeric(prefix, 27))
    }

    /// Returns `length` alphanumeric characters from the sequence of this kind.
    pub(crate) fn alphanumeric(&self, kind: &'static str, length: usize) -> String {
        self.bytes(kind)
            // Six bits per character. Values beyond the alphabet are skipped, so that all characters are
            // equally likely.
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)))
            .take(length)
            .map(|byte| char::from(*byte))
            .collect()
    }

    /// Returns the `jti` of an OAuth access token: `oat_` followed by 16 upper-case characters.
    pub(crate) fn access_token_jti(&self) -> String {
        format!("oat_{}", self.upper("oat_jti", 16))
    }

    /// Returns an opaque OAuth access token.
    pub(crate) fn opaque_access_token(&self) -> String {
        format!("oat_{}", self.upper("oat_secret", 32))
    }

    /// Returns the id of an opaque token or API key: `<prefix>_` followed by 32 hexadecimal digits.
    pub(crate) fn token_id(&self, prefix: &'static str) -> String {
        format!("{prefix}_{}", self.hex(prefix, 16))
    }

    /// Returns a trace id, which correlates a response with Clerk's logs: 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        self.hex("trace", 16)
    }

    /// Returns the `jti` of a session token: 20 hexadecimal digits.
    pub(crate) fn session_token_jti(&self) -> String {
        self.hex("jti", 10)
    }

    fn hex(&self, kind: &'static str, bytes: usize) -> String {
        hex(&self.bytes(kind).take(bytes).collect::<Vec<u8>>())
    }

    fn upper(&self, kind: &'static str, length: usize) -> String {
        // Upper-casing merges `a` and `A`; more than five bits per character remain.
        self.alphanumeric(kind, length).to_ascii_uppercase()
    }

    /// Returns an endless iterator of bytes for one identifier.
    fn bytes(&self, kind: &'static str) -> Box<dyn Iterator<Item = u8>> {
        let Some(seed) = self.seed else {
            return Box::new(std::iter::repeat_with(rand::random::<[u8; 32]>).flatten());
        };
        let position = {
            let mut positions = self.positions.lock();
            let next = positions.entry(kind).or_default();
            mem::replace(next, *next + 1)
        };
        let blocks = (0_u64..).flat_map(move |block| {
            let text = format!("local clerk {seed} {kind} {position} {block}");
            digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
        });
        Box::new(blocks)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Encodes bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_ids_and_kinds_are_independent() {
        let (one, two, other) = (Ids::new(Some(7)), Ids::new(Some(7)), Ids::new(Some(8)));
        two.trace_id();
        two.trace_id();
        assert_eq!(one.id("user"), two.id("user"));
        let next = one.id("user");
        assert_eq!(next, two.id("user"));
        assert_ne!(next, one.id("user"));
        assert_ne!(one.id("org"), other.id("org"));
        // Seeded ids must not change between versions.
        assert_eq!(Ids::new(Some(1)).id("user"), "user_UCQ5yFN7k8xjX0BGBsyc9qBKP07");
    }

    #[test]
    fn ids_are_random_without_a_seed() {
        assert_ne!(Ids::new(None).id("user"), Ids::new(None).id("user"));
    }
}
