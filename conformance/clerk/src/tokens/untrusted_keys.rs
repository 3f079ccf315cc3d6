//! Keys that sign for nobody, until one is published: tokens that only a careless verifier takes.

use std::sync::OnceLock;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

use crate::{
    mint::{Signer, SigningKey, small_key},
    store::instance::Instance,
};

/// What `shared_secret` signs with. A key set that holds a secret gives it to everybody.
pub(crate) const SHARED_SECRET: &[u8] = b"32 bytes that everybody may know";

/// A key that no instance has, made once for the whole process.
pub(crate) fn another_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_nobody"))
}

impl Instance {
    /// What this signer signs with, as a JSON Web Key; `None` of those who have no key of their own.
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
            | Signer::Nobody
            | Signer::Zeros => None,
        }
    }
}
