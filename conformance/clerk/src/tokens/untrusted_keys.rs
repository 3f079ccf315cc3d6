//! Keys for tokens with an invalid signature. None of them is in the published key set unless a test
//! publishes it.

use std::sync::OnceLock;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

use crate::{
    mint::{Signer, SigningKey, small_key},
    store::instance::Instance,
};

/// The secret that `shared_secret` signs with. A verifier must not accept it even if it is published as a
/// key.
pub(crate) const SHARED_SECRET: &[u8] = b"32 bytes that everybody may know";

/// Returns a key that no instance signs with. It is generated once per process.
pub(crate) fn another_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_unpublished"))
}

impl Instance {
    /// Returns the key of this signer as a JSON Web Key; `None` if the signer has no key of its own.
    pub(crate) fn public_jwk(&self, signer: Signer) -> Option<Value> {
        match signer {
            Signer::Instance => Some(self.keys.read().signing().jwk()),
            Signer::AnotherKey => Some(another_key().jwk()),
            Signer::SmallKey => Some(small_key::jwk()),
            Signer::SharedSecret => {
                let secret = BASE64_URL_SAFE_NO_PAD.encode(SHARED_SECRET);
                Some(json!({ "use": "sig", "kty": "oct", "kid": "ins_secret", "alg": "HS256", "k": secret }))
            }
            Signer::InstanceRs384
            | Signer::InstancePs256
            | Signer::HmacOfPublicKey
            | Signer::HmacOfTrimmedPublicKey
            | Signer::HmacOfPublicKeyDer
            | Signer::HmacOfNothing
            | Signer::Unsigned
            | Signer::Zeros
            | Signer::Defective(_) => None,
        }
    }
}
