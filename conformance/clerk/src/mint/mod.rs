//! The mint: JSON Web Signatures put together by hand (RFC 7515 §7.1, compact serialization).
//!
//! A library that signs tokens refuses to make wrong ones, and a verifier is judged by wrong ones. So header and
//! claims are text that we assemble, and only the signature itself comes from a cryptographic library.

mod damage;
mod evidence;
mod key;
mod recipe;
pub(crate) mod small_key;
mod spec;

pub use evidence::Evidence;
pub use key::{RsaAlgorithm, SigningKey};
pub use recipe::Recipe;
pub use spec::{Damage, Signer, TokenEnd, TokenKind, TokenSpec};
