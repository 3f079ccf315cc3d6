//! How the server works, for readers of the code.
//!
//! Start with the [`architecture`]. Then follow [a request](a_request) and [a key rotation](a_key_rotation)
//! through the modules. [`speed`] says where the time of a request goes. [`a_case`] does the same for a case of the conformance suite.

#[doc = include_str!("guide/architecture.md")]
pub mod architecture {}

#[doc = include_str!("guide/a_request.md")]
pub mod a_request {}

#[doc = include_str!("guide/a_key_rotation.md")]
pub mod a_key_rotation {}

#[doc = include_str!("guide/a_case.md")]
pub mod a_case {}

#[doc = include_str!("guide/speed.md")]
pub mod speed {}
