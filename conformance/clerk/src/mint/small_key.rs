//! An RSA key of 1024 bits, which is too small to be accepted. The cryptographic library neither generates
//! nor signs with such keys, so the key is a constant and signing is implemented here.

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use num_bigint::BigUint;
use serde_json::{Value, json};

/// The modulus, 1024 bits. The whole key is public knowledge, since it protects nothing.
const MODULUS: &str = "vKrqSVtCNBnwHLV2EbjvXNQjtOTqNh6nftbR704_24clwayy4HLFrqlsdJ8dnc2QLMSNmnhpcUwnMIJpaQa0UTBWh6CUMutw7xrhm_y3_Cm_tna-hi7i_-aXyDJm5Dd68zrdm49y2imJQDgYC7rkyrG7CUcBRRMR54VD4HwbEa8";
const PRIVATE_EXPONENT: &str = "dqNXXjeXouGonrTxAOX1Br-TkH3eVZfjJZx6OOxQtX__mxE5DnC9pD5_p7oiyodoIO6cSMVtMMR9ZECtflCr88i1tM9rPMlGhpd0NXouFyJMBPyN8fW3qw8WoceJL8NiyE-1jTuyfV3-AboGCZ4EdCaP047SWQjPnS-woD_xcNE";
const BYTES: usize = 128;
/// The DER prefix of a SHA-256 `DigestInfo` (RFC 8017 §9.2, note 1).
pub(super) const SHA256_IN_DER: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// Returns the public key as a JSON Web Key.
pub(crate) fn jwk() -> Value {
    json!({ "use": "sig", "kty": "RSA", "kid": "ins_small", "alg": "RS256", "n": MODULUS, "e": "AQAB" })
}

/// Signs with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 8017 §8.2.1).
pub(super) fn sign(message: &[u8]) -> Vec<u8> {
    let hash = digest(&SHA256, message);
    let padding = vec![0xff; BYTES - 3 - SHA256_IN_DER.len() - hash.as_ref().len()];
    let encoded = [&[0, 1], padding.as_slice(), &[0], &SHA256_IN_DER, hash.as_ref()].concat();
    let signature = BigUint::from_bytes_be(&encoded).modpow(&number(PRIVATE_EXPONENT), &number(MODULUS));
    let signature = signature.to_bytes_be();
    [vec![0; BYTES - signature.len()], signature].concat()
}

/// Decodes one of the constants above.
fn number(text: &str) -> BigUint {
    #[expect(clippy::expect_used, reason = "the constants above are base64url")]
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
    BigUint::from_bytes_be(&bytes)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
        RsaPublicKeyComponents,
    };

    use super::*;

    #[test]
    fn signatures_verify_where_1024_bit_keys_are_allowed() {
        let verifies = |parameters: &'static RsaParameters| {
            let key = RsaPublicKeyComponents {
                n: BASE64_URL_SAFE_NO_PAD.decode(MODULUS).unwrap(),
                e: vec![1, 0, 1],
            };
            key.verify(parameters, b"message", &sign(b"message")).is_ok()
        };
        assert!(verifies(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY));
        assert!(!verifies(&RSA_PKCS1_2048_8192_SHA256));
    }
}
