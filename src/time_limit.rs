//! [`within`]: runs work with a time limit. Creates no timer if the work completes at once.

use std::{pin::pin, time::Duration};

use futures_util::future::poll_immediate;
use tokio::time::{error::Elapsed, timeout};

/// Waits for `work`, for at most `limit`. Unlike [`tokio::time::timeout`], creates no timer if `work` completes
/// when it is first polled, as in most requests.
///
/// # Errors
/// [`Elapsed`] if the limit was reached.
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    match poll_immediate(work.as_mut()).await {
        Some(output) => Ok(output),
        None => timeout(limit, work).await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::sleep;

    use super::*;

    /// A timer would panic here, outside of a runtime.
    #[test]
    fn work_that_completes_at_once_needs_no_timer() {
        let output = within(Duration::ZERO, async { 1 }).now_or_never();
        assert!(matches!(output, Some(Ok(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn other_work_is_limited() {
        let limit = Duration::from_secs(2);
        let work = |time| async move {
            sleep(Duration::from_secs(time)).await;
            time
        };
        assert_eq!(within(limit, work(1)).await.ok(), Some(1));
        assert_eq!(within(limit, work(3)).await.ok(), None);
    }
}
