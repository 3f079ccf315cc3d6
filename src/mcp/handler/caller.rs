//! The caller of a request: the session that authentication put into the HTTP request.

use std::sync::Arc;

use rmcp::model::Extensions;

use super::aborted::Aborted;
use crate::{auth::Anonymous, session::Session};

/// The session of a caller, or `None` if the caller is anonymous.
pub(super) type Caller = Option<Arc<Session>>;

/// Returns the caller of the request that these extensions belong to.
pub(super) fn caller(extensions: &Extensions) -> Result<Caller, Aborted> {
    let parts = parts(extensions).ok_or(Aborted::Unauthenticated)?;
    match parts.extensions.get::<Arc<Session>>() {
        Some(session) => Ok(Some(Arc::clone(session))),
        None if parts.extensions.get::<Anonymous>().is_some() => Ok(None),
        None => Err(Aborted::Unauthenticated),
    }
}

/// Returns the caller of a request. Rejects an anonymous caller unless `is_public`. `mcp::admission` has checked
/// this already, but rmcp has its own parser.
pub(super) fn caller_if(is_public: bool, extensions: &Extensions) -> Result<Caller, Aborted> {
    match caller(extensions) {
        Ok(None) if !is_public => Err(Aborted::Unauthenticated),
        other => other,
    }
}

/// Returns the head of the HTTP request that these extensions belong to.
pub(super) fn parts(extensions: &Extensions) -> Option<&http::request::Parts> {
    extensions.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gate in front of rmcp has its own parser. If it ever read a message differently, this check would
    /// still stop the anonymous caller.
    #[test]
    fn an_anonymous_caller_may_only_send_public_requests() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.extensions.insert(Anonymous);
        let mut extensions = Extensions::new();
        assert!(
            caller_if(true, &extensions).is_err(),
            "neither a session nor anonymous"
        );
        extensions.insert(parts);
        assert!(matches!(caller_if(true, &extensions), Ok(None)));
        assert!(matches!(
            caller_if(false, &extensions),
            Err(Aborted::Unauthenticated)
        ));
    }
}
