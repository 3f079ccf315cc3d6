//! Identifiers and secrets of the shapes Clerk uses, random or repeatable.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    mem,
};

use aws_lc_rs::digest;
use parking_lot::Mutex;

/// Upper-case letters, lower-case letters and digits: almost six bits each, so 22 of them are beyond guessing.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes identifiers. Random unless there is a seed.
///
/// With a seed, each kind of identifier has a sequence of its own: how many trace ids were drawn does not change the
/// next client id. The bytes are SHA-256 over seed, kind and position, so they stay the same on every machine.
/// **A seed makes every secret predictable.**
pub(crate) struct Ids {
    seed: Option<u64>,
    drawn: Mutex<HashMap<&'static str, u64>>,
}

impl Ids {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self {
            seed,
            drawn: Mutex::default(),
        }
    }

    /// `<prefix>_` and 27 alphanumeric characters, the length of the KSUIDs that Clerk's ids end in.
    pub(crate) fn id(&self, prefix: &'static str) -> String {
        format!("{prefix}_{}", self.alphanumeric(prefix, 27))
    }

    /// `length` alphanumeric characters of a sequence.
    pub(crate) fn alphanumeric(&self, kind: &'static str, length: usize) -> String {
        self.bytes(kind)
            // Six bits a character; what is beyond the alphabet is drawn again, so that all are equally likely.
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)))
            .take(length)
            .map(|byte| char::from(*byte))
            .collect()
    }

    /// `oat_` and 16 upper-case characters, the `jti` of an OAuth access token.
    pub(crate) fn access_token_jti(&self) -> String {
        format!("oat_{}", self.upper("oat_jti", 16))
    }

    /// An opaque OAuth access token.
    pub(crate) fn opaque_access_token(&self) -> String {
        format!("oat_{}", self.upper("oat_secret", 32))
    }

    /// `<prefix>_` and 32 hexadecimal digits, the id of an opaque token or an API key.
    pub(crate) fn token_id(&self, prefix: &'static str) -> String {
        format!("{prefix}_{}", self.hex(prefix, 16))
    }

    /// 32 hexadecimal digits: what correlates an answer with Clerk's logs.
    pub(crate) fn trace_id(&self) -> String {
        self.hex("trace", 16)
    }

    /// 20 hexadecimal digits, the `jti` of a session token.
    pub(crate) fn session_token_jti(&self) -> String {
        self.hex("jti", 10)
    }

    fn hex(&self, kind: &'static str, bytes: usize) -> String {
        hex(&self.bytes(kind).take(bytes).collect::<Vec<u8>>())
    }

    fn upper(&self, kind: &'static str, length: usize) -> String {
        // Upper-casing folds a and A together; what is left is still more than five bits a character.
        self.alphanumeric(kind, length).to_ascii_uppercase()
    }

    /// An endless supply for one identifier.
    fn bytes(&self, kind: &'static str) -> Box<dyn Iterator<Item = u8>> {
        let Some(seed) = self.seed else {
            return Box::new(std::iter::repeat_with(rand::random::<[u8; 32]>).flatten());
        };
        let position = {
            let mut drawn = self.drawn.lock();
            let next = drawn.entry(kind).or_default();
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
    fn a_seed_repeats_and_kinds_do_not_disturb_each_other() {
        let (one, two, other) = (Ids::new(Some(7)), Ids::new(Some(7)), Ids::new(Some(8)));
        two.trace_id();
        two.trace_id();
        assert_eq!(one.id("user"), two.id("user"));
        let next = one.id("user");
        assert_eq!(next, two.id("user"));
        assert_ne!(next, one.id("user"));
        assert_ne!(one.id("org"), other.id("org"));
        // Written down, because it must not change from one version to the next.
        assert_eq!(Ids::new(Some(1)).id("user"), "user_UCQ5yFN7k8xjX0BGBsyc9qBKP07");
    }

    #[test]
    fn without_a_seed_nothing_repeats() {
        assert_ne!(Ids::new(None).id("user"), Ids::new(None).id("user"));
    }
}
