//! Tests that every case can pass and can fail, by running the suite against a server without a flaw and
//! against each flaw.

mod any_issuer;
#[path = "../../broken/mod.rs"]
mod broken;
mod cases;
mod login;
mod policy;
mod server;
