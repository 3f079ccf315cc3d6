//! [`Flight`]: a fetch on a task of its own, so that it completes even if every request that waits for it is
//! cancelled. Without it, clients that disconnect early could cause any number of requests to Clerk: the
//! cancelled fetch would be neither counted nor cached.

use std::fmt;

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::task::AbortHandle;

/// A fetch in flight. Clones wait for the same outcome.
#[derive(Clone)]
pub(crate) struct Flight<T> {
    outcome: Shared<BoxFuture<'static, Option<T>>>,
    task: AbortHandle,
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Starts `fetch` on a task.
    pub(crate) fn start(fetch: impl Future<Output = T> + Send + 'static) -> Self {
        let task = tokio::spawn(fetch);
        Self {
            task: task.abort_handle(),
            outcome: async move { task.await.ok() }.boxed().shared(),
        }
    }

    /// Returns whether the fetch is still running. A fetch that panicked is not.
    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Waits for the outcome. Returns `None` if the fetch panicked or its runtime was shut down.
    pub(crate) async fn outcome(self) -> Option<T> {
        self.outcome.await
    }
}

impl<T> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("finished", &self.task.is_finished())
            .finish_non_exhaustive()
    }
}
