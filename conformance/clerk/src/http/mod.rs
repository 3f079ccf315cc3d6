//! HTTP plumbing that all endpoints share: listener, TLS authority, parsed requests, responses and fault injection.

pub(crate) mod authority;
pub(crate) mod incoming;
pub(crate) mod listener;
pub(crate) mod parameters;
pub(crate) mod respond;
