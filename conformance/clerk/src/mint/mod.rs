//! Minting valid and invalid tokens: JSON Web Signatures in compact serialization (RFC 7515 §7.1), assembled
//! by hand.
//!
//! Testing a verifier needs invalid tokens, which JWT libraries do not create. So this module assembles
//! header and claims as text, and uses a cryptographic library only for the signature.
//!
//! [`Recipe`] builds a token in code. [`TokenSpec`] describes one as data, for files and the admin API;
//! [`LocalClerk::mint`](crate::LocalClerk::mint) mints it.

mod damage;
mod evidence;
mod key;
mod recipe;
mod rsa_defect;
pub(crate) mod small_key;
mod spec;

pub use evidence::Evidence;
pub use key::{RsaAlgorithm, SigningKey};
pub use recipe::Recipe;
pub use rsa_defect::RsaDefect;
pub use spec::{Damage, Signer, TokenEnd, TokenKind, TokenSpec};
