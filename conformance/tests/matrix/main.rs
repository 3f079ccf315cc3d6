//! The suite tried on itself: against a server without a flaw, and against servers with one each.

#[path = "../../broken/mod.rs"]
mod broken;
mod cases;
mod server;
