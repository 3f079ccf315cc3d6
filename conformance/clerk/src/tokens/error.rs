//! The error of minting a token from a [`TokenSpec`](crate::mint::TokenSpec).

use crate::store::people::DirectoryError;

/// Why a token cannot be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The specification names a user, organization or machine that does not exist.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The specification is incomplete or contradicts itself.
    #[error("{0}")]
    Specification(String),
}
