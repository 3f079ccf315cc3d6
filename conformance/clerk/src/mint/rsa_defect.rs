//! [`RsaDefect`]: signatures that a strict verification of RS256 rejects and a lenient one may accept.
//!
//! The forms are those of the test vectors of Project Wycheproof for RSASSA-PKCS1-v1_5. The cryptographic
//! library makes none of them, so the encoded message is built and encrypted here (RFC 8017 §8.2.1, §9.2).

use aws_lc_rs::digest::{SHA256, digest};
use num_bigint::BigUint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::small_key::SHA256_IN_DER;

/// A defect of an RS256 signature. Each is made with the right key over the right message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RsaDefect {
    /// The encoded message is not encrypted. A key with the exponent 1 verifies it.
    NotEncrypted,
    /// The hash is not wrapped in a `DigestInfo`.
    NoDigestInfo,
    /// The algorithm in the `DigestInfo` has no parameters, instead of NULL.
    NoNull,
    /// The `DigestInfo` names SHA-512/256, whose hashes have the same length.
    OtherHash,
    /// The `DigestInfo` encodes a length in two bytes instead of one (BER, not DER).
    LongLength,
    /// The `DigestInfo` is followed by zero bytes, and the padding is shorter.
    TrailingBytes,
    /// The last byte of the padding is 0xFE.
    WrongPadding,
    /// The padding is one zero byte in place of the last 0xFF.
    ZeroInPadding,
    /// Eight bytes of padding, and other bytes after the hash (CVE-2006-4339).
    ShortPadding,
    /// The block type is 2, which is for encryption.
    BlockTypeTwo,
    /// The first byte is 1 instead of 0.
    FirstByte,
    /// No zero byte separates padding and `DigestInfo`.
    NoSeparator,
    /// A correct signature with a zero byte before it.
    LeadingZero,
    /// A correct signature with a zero byte after it.
    TrailingZero,
    /// A correct signature plus the modulus: the same number, modulo the modulus.
    PlusModulus,
}

/// The length of a modulus of 2048 bits.
const BYTES: usize = 256;
/// `SHA256_IN_DER` without NULL.
const WITHOUT_NULL: [u8; 17] = [
    0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20,
];
/// The DER prefix of a SHA-512/256 `DigestInfo`.
const SHA512_256_IN_DER: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x06, 0x05, 0x00,
    0x04, 0x20,
];
/// `SHA256_IN_DER` with the outer length in the long form.
const WITH_LONG_LENGTH: [u8; 20] = [
    0x30, 0x81, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each match names the defects that change one part"
)]
impl RsaDefect {
    /// Signs `message` with a key of 2048 bits.
    pub(super) fn sign(self, message: &[u8], modulus: &BigUint, private_exponent: &BigUint) -> Vec<u8> {
        let encrypt = |encoded: &[u8]| BigUint::from_bytes_be(encoded).modpow(private_exponent, modulus);
        let encoded = self.encode(digest(&SHA256, message).as_ref());
        if self == Self::NotEncrypted {
            return encoded;
        }
        let signature = encrypt(&encoded);
        match self {
            Self::LeadingZero => [&[0], bytes(&signature).as_slice()].concat(),
            Self::TrailingZero => [bytes(&signature).as_slice(), &[0]].concat(),
            Self::PlusModulus => bytes(&(signature + modulus)),
            _ => bytes(&signature),
        }
    }

    /// Encodes a hash. The first bytes make the number smaller than the modulus, whose first bit is 1.
    fn encode(self, hash: &[u8]) -> Vec<u8> {
        let prefix: &[u8] = match self {
            Self::NoDigestInfo => &[],
            Self::NoNull => &WITHOUT_NULL,
            Self::OtherHash => &SHA512_256_IN_DER,
            Self::LongLength => &WITH_LONG_LENGTH,
            _ => &SHA256_IN_DER,
        };
        let trailing = match self {
            Self::TrailingBytes => 8,
            Self::ShortPadding => BYTES - 3 - 8 - prefix.len() - hash.len(),
            _ => 0,
        };
        let separator: &[u8] = if self == Self::NoSeparator { &[] } else { &[0] };
        let info = [prefix, hash, &vec![0; trailing]].concat();
        let mut padding = vec![0xff; BYTES - 2 - separator.len() - info.len()];
        if let Some(last) = padding.last_mut() {
            match self {
                Self::WrongPadding => *last = 0xfe,
                Self::ZeroInPadding => *last = 0,
                _ => {}
            }
        }
        let start = match self {
            Self::FirstByte => [1, 1],
            Self::BlockTypeTwo => [0, 2],
            _ => [0, 1],
        };
        [&start, padding.as_slice(), separator, &info].concat()
    }
}

/// Encodes a number in at least as many bytes as the modulus has.
fn bytes(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; BYTES.saturating_sub(bytes.len())], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mint::SigningKey;

    const ALL: [RsaDefect; 15] = [
        RsaDefect::NotEncrypted,
        RsaDefect::NoDigestInfo,
        RsaDefect::NoNull,
        RsaDefect::OtherHash,
        RsaDefect::LongLength,
        RsaDefect::TrailingBytes,
        RsaDefect::WrongPadding,
        RsaDefect::ZeroInPadding,
        RsaDefect::ShortPadding,
        RsaDefect::BlockTypeTwo,
        RsaDefect::FirstByte,
        RsaDefect::NoSeparator,
        RsaDefect::LeadingZero,
        RsaDefect::TrailingZero,
        RsaDefect::PlusModulus,
    ];

    #[test]
    fn every_defect_is_rejected_by_a_strict_verification() {
        let key = SigningKey::generate("ins_example");
        for defect in ALL {
            let signature = key.sign_with_defect(defect, b"message");
            assert!(!key.verifies(b"message", &signature), "{defect:?}");
        }
    }

    /// Otherwise the signatures could be rejected because of the key or the message.
    #[test]
    fn defects_of_the_length_wrap_a_correct_signature() {
        let key = SigningKey::generate("ins_example");
        let leading = key.sign_with_defect(RsaDefect::LeadingZero, b"message");
        assert!(key.verifies(b"message", &leading[1..]));
        let trailing = key.sign_with_defect(RsaDefect::TrailingZero, b"message");
        assert!(key.verifies(b"message", &trailing[..256]));
    }

    #[test]
    fn encoded_messages_have_the_length_of_the_modulus() {
        for defect in ALL {
            assert_eq!(defect.encode(&[7; 32]).len(), BYTES, "{defect:?}");
        }
    }
}
