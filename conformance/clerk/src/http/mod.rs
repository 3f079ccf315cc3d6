//! HTTP infrastructure shared by all endpoints: listener, certificate authority, parsed requests and
//! responses.

pub(crate) mod authority;
pub(crate) mod incoming;
pub(crate) mod listener;
pub(crate) mod parameters;
pub(crate) mod respond;
