//! [`SessionKey`]: what ties a session's id to its user.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// The key of an HMAC-SHA256 (RFC 2104) over issuer, subject and session id.
///
/// Outwards an id is followed by a full stop and that HMAC; inwards nobody else's token makes the same one. It depends on
/// nothing that a refreshed token changes.
#[derive(Clone)]
pub struct SessionKey(hmac::Key);

impl SessionKey {
    /// A key of 32 random bytes: for one process, whose sessions end with it.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        #[expect(
            clippy::expect_used,
            reason = "AWS-LC ends the process rather than go on without randomness"
        )]
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        Self::from_bytes(&bytes)
    }

    /// A key that several replicas share. **A secret**: whoever knows it can take over any session whose id they see.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The id as the user gets it.
    pub(super) fn bind(&self, issuer: &str, subject: &str, id: &str) -> String {
        let tag = BASE64_URL_SAFE_NO_PAD.encode(self.tag(issuer, subject, id));
        format!("{id}.{tag}")
    }

    /// The id within `bound`, when it's this user's. Compared in constant time: a difference in time would tell how much of
    /// a guess is right.
    pub(super) fn unbind<'a>(&self, issuer: &str, subject: &str, bound: &'a str) -> Option<&'a str> {
        let (id, tag) = bound.rsplit_once('.')?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
        verify_slices_are_equal(self.tag(issuer, subject, id).as_ref(), &tag)
            .ok()
            .map(|()| id)
    }

    /// Each part goes in behind its length, so that no two triples look alike.
    fn tag(&self, issuer: &str, subject: &str, id: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [issuer, subject, id] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

/// A secret isn't shown.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_owner_s_alone() {
        let key = SessionKey::random();
        let bound = key.bind("https://clerk.test", "user_a", "id");
        assert_eq!(key.unbind("https://clerk.test", "user_a", &bound), Some("id"));
        let other = key.bind("https://clerk.test", "user_b", "id");
        for (issuer, subject, id) in [
            ("https://clerk.test", "user_b", bound.as_str()),
            ("https://other.test", "user_a", &bound),
            ("https://clerk.testuser_", "a", &bound),
            ("https://clerk.test", "user_a", "id"),
            ("https://clerk.test", "user_a", "id."),
            ("https://clerk.test", "user_a", ""),
            ("https://clerk.test", "user_a", &other),
            ("https://clerk.test", "user_a", &format!("x{bound}")),
            ("https://clerk.test", "user_a", &format!("{bound}A")),
            ("https://clerk.test", "user_a", &format!("{bound}=")),
        ] {
            assert_eq!(key.unbind(issuer, subject, id), None, "{issuer} {subject} {id}");
        }
        let another_process = SessionKey::random();
        assert_eq!(
            another_process.unbind("https://clerk.test", "user_a", &bound),
            None
        );
    }

    #[test]
    fn replicas_share_a_key() {
        let [one, other] = [(); 2].map(|()| SessionKey::from_bytes(&[7; 32]));
        assert_eq!(other.unbind("i", "s", &one.bind("i", "s", "id")), Some("id"));
    }
}
