//! Shared helpers: test servers, MCP clients, and response snapshots.

pub mod http;
pub mod log;
pub mod mcp_client;
pub mod program;
pub mod server;
pub mod snapshot;
pub mod sources;
pub mod verifier;

pub use http::{get, http};
pub use mcp_client::{McpClient, modern, open};
pub use server::{TestServer, start_time};
pub use snapshot::Exchange;
