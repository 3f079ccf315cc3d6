//! The HTTP server: accepts connections within limits, and surrounds all routes with the access log, CORS,
//! the `Host` check, the request timeout, and JSON error responses.

mod access_log;
mod activity;
mod area;
mod cors;
mod edge;
mod errors;
mod host;
mod limits;
mod server;
#[cfg(test)]
mod simulation;

pub(crate) use access_log::AccessLog;
pub(crate) use area::Area;
pub(crate) use cors::Cors;
pub(crate) use edge::Edge;
#[cfg(feature = "cli")]
pub(crate) use edge::REQUEST_SPAN;
pub(crate) use host::AllowedHosts;
pub use limits::ServerLimits;
pub use server::serve;
