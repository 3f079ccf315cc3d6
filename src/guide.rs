//! How the server works, for readers of the code.
//!
//! Start with the [`architecture`]. Then follow [a request](a_request) and [a key rotation](a_key_rotation)
//! through the modules. [`a_case`] does the same for a case of the conformance suite. [`speed`] says what
//! the server does to be fast, and the [`threat_model`] says what the server guarantees. [`telemetry`] and
//! [`replicas`] are for operators.

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

#[doc = include_str!("guide/threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("guide/telemetry.md")]
pub mod telemetry {}

#[doc = include_str!("guide/replicas.md")]
pub mod replicas {}
