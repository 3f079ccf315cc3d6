//! Tools that say something before they answer: progress, log messages, news for whoever listens.

use std::{fmt::Display, time::Duration};

#[expect(deprecated, reason = "clients of 2025-11-25 still show log messages")]
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        ProgressNotificationParam, PromptListChangedNotification, ProtocolVersion, ServerNotification,
        ToolListChangedNotification,
    },
    service::{RequestContext, SubscriptionContext},
    tool, tool_router,
};
use tokio::sync::broadcast;

use crate::Everything;

#[tool_router(router = work, vis = "pub(crate)")]
impl Everything {
    #[tool(name = "test_tool_with_progress", description = "Reports progress.")]
    async fn with_progress(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        for done in [0.0, 50.0, 100.0] {
            // A client that wants to hear of it sends a token with its request.
            if let Some(token) = context.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, done).with_total(100.0);
                context.peer.notify_progress(progress).await.map_err(unheard)?;
            }
            tokio::time::sleep(STEP).await;
        }
        Ok("Done, step by step.".to_owned())
    }

    #[tool(
        name = "test_tool_with_logging",
        description = "Logs what it does (2025-11-25)."
    )]
    async fn with_logging(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        for message in [
            "Tool execution started",
            "Tool processing data",
            "Tool execution completed",
        ] {
            self.log(&context, message).await?;
            tokio::time::sleep(STEP).await;
        }
        Ok("Done, and logged.".to_owned())
    }

    #[tool(
        name = "test_logging_tool",
        description = "Logs what it does, when its caller wants to hear it (2026-07-28)."
    )]
    async fn logging(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        self.log(&context, "Tool execution started").await?;
        Ok("Done.".to_owned())
    }

    #[tool(
        name = "test_trigger_tool_change",
        description = "Says that the list of tools changed."
    )]
    async fn trigger_tool_change(&self) -> String {
        self.changes.publish(Change::Tools);
        "Told.".to_owned()
    }

    #[tool(
        name = "test_trigger_prompt_change",
        description = "Says that the list of prompts changed."
    )]
    async fn trigger_prompt_change(&self) -> String {
        self.changes.publish(Change::Prompts);
        "Told.".to_owned()
    }

    /// Logs at level `info`. A client of 2025-11-25 has set the least level for its session, one of 2026-07-28 sends it
    /// with each request, or wants none.
    #[expect(deprecated, reason = "clients of 2025-11-25 still show log messages")]
    async fn log(&self, context: &RequestContext<RoleServer>, message: &str) -> Result<(), ErrorData> {
        let has_no_session = context
            .protocol_version()
            .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        let wanted = if has_no_session {
            context.meta.log_level()
        } else {
            self.session.log_level()
        };
        let wants_info =
            wanted.is_some_and(|level| matches!(level, LoggingLevel::Debug | LoggingLevel::Info));
        if wants_info {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, message.into());
            context
                .peer
                .notify_logging_message(message)
                .await
                .map_err(unheard)?;
        }
        Ok(())
    }
}

/// The client is gone.
fn unheard(error: impl Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// What can change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// News of changes, for all who listen.
#[derive(Debug, Clone)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(16))
    }
}

impl Changes {
    fn publish(&self, change: Change) {
        // Fails when nobody listens, which is fine.
        let _ = self.0.send(change);
    }

    /// Tells one subscription (2026-07-28) of changes until its client goes away.
    pub(crate) async fn tell(&self, subscription: &SubscriptionContext) {
        let mut news = self.0.subscribe();
        loop {
            let change = tokio::select! {
                () = subscription.cancelled() => return,
                change = news.recv() => change,
            };
            let notification: ServerNotification = match change {
                Ok(Change::Tools) => ToolListChangedNotification::default().into(),
                Ok(Change::Prompts) => PromptListChangedNotification::default().into(),
                // Whoever missed one hears the next; it says the same.
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            // What the client didn't ask for is not sent: the sink keeps to the filter, and says so.
            let _ = subscription.sink().send(notification).await;
        }
    }
}

const STEP: Duration = Duration::from_millis(50);
