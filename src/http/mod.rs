//! The HTTP server and its middleware: the accept loop with connection limits, the access log, CORS, the
//! `Host` check, the request timeout, and JSON error responses.

mod access_log;
mod activity;
mod cors;
mod errors;
mod host;
mod limits;
mod server;
mod timeout;

pub(crate) use access_log::AccessLog;
pub(crate) use cors::Cors;
pub(crate) use errors::{allow_methods, internal_error, json_errors};
pub(crate) use host::HostGuard;
pub use limits::ServerLimits;
pub use server::serve;
pub(crate) use timeout::Timeout;
