//! How every test gets a server, calls it, and writes down what came.

pub mod server;
pub mod snapshot;
pub mod verifier;

pub use server::{TestServer, start_time};
pub use snapshot::Exchange;
