//! Runs the inner handler: with the session of the caller, with panics caught, with a time limit, and until
//! the client cancels the request.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use rmcp::{ErrorData, model::Extensions};
use tokio_util::sync::CancellationToken;

use super::{
    WithSession,
    aborted::Aborted,
    caller::{Caller, caller},
};
use crate::{
    context::{self, CallContext},
    log_limit::log_limited,
    time_limit::within,
};

impl<H> WithSession<H> {
    /// Runs `call` with the session of this request's token, for at most `limit`. In an MCP session, each
    /// request has its own token.
    ///
    /// `call` is boxed, because rmcp would otherwise copy the largest of all handlers several times per
    /// request.
    pub(super) async fn run<T>(
        &self,
        caller: Result<Caller, Aborted>,
        cancelled: CancellationToken,
        limit: Duration,
        call: BoxFuture<'_, Result<T, ErrorData>>,
    ) -> Result<Result<T, ErrorData>, Aborted> {
        let call = AssertUnwindSafe(self.scoped(caller.inspect_err(Aborted::log)?, call)).catch_unwind();
        tokio::select! {
            biased;
            outcome = within(limit, call) => match outcome {
                Ok(outcome) => outcome.map_err(|_panic| Aborted::Panicked),
                Err(_) => Err(Aborted::TimedOut(limit)),
            },
            // The client disconnected or cancelled its request. rmcp only sets the token, so the call would
            // keep running.
            () = cancelled.cancelled() => Err(Aborted::Cancelled),
        }
        .inspect_err(Aborted::log)
    }

    /// Runs the `handler` of a notification. A notification has no response, so failures are only logged. At
    /// the limit of concurrent notifications, further ones are dropped. Notifications of anonymous callers
    /// are dropped too, because these callers have no MCP session.
    pub(super) async fn run_notification(&self, extensions: &Extensions, handler: BoxFuture<'_, ()>) {
        let Ok(_permit) = self.notification_permits.try_acquire() else {
            log_limited!(
                warn,
                "notifications",
                "dropped an MCP notification: too many are being handled"
            );
            return;
        };
        let handler = match caller(extensions) {
            Ok(None) => return,
            Ok(caller) => AssertUnwindSafe(self.scoped(caller, handler)).catch_unwind(),
            Err(aborted) => return aborted.log(),
        };
        match tokio::time::timeout(self.call_timeout, handler).await {
            Ok(Ok(())) => {}
            Ok(Err(_panic)) => Aborted::Panicked.log(),
            Err(_) => Aborted::TimedOut(self.call_timeout).log(),
        }
    }

    /// Returns `call` with `caller` set as task-local.
    fn scoped<F: Future>(&self, caller: Caller, call: F) -> impl Future<Output = F::Output> + use<F, H> {
        let context = caller.map(|session| CallContext::new(session, self.client.clone()));
        context::scope(context, call)
    }
}

/// Maximum number of notifications of one MCP session that are handled at a time.
pub(super) const MAX_NOTIFICATIONS: usize = 64;
