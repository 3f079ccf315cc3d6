//! Tools that send progress, log messages and change notifications before they return.

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
            // A client that wants progress notifications sends a token with its request.
            if let Some(token) = context.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, done).with_total(100.0);
                context
                    .peer
                    .notify_progress(progress)
                    .await
                    .map_err(failed_to_send)?;
            }
            tokio::time::sleep(STEP).await;
        }
        Ok("Done in steps.".to_owned())
    }

    #[tool(
        name = "test_tool_with_logging",
        description = "Sends log messages (2025-11-25)."
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
        Ok("Done and logged.".to_owned())
    }

    #[tool(
        name = "test_logging_tool",
        description = "Sends log messages if the request asks for them (2026-07-28)."
    )]
    async fn logging(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        self.log(&context, "Tool execution started").await?;
        Ok("Done.".to_owned())
    }

    #[tool(
        name = "test_trigger_tool_change",
        description = "Announces that the list of tools changed."
    )]
    async fn trigger_tool_change(&self) -> String {
        self.changes.publish(Change::Tools);
        "Announced.".to_owned()
    }

    #[tool(
        name = "test_trigger_prompt_change",
        description = "Announces that the list of prompts changed."
    )]
    async fn trigger_prompt_change(&self) -> String {
        self.changes.publish(Change::Prompts);
        "Announced.".to_owned()
    }

    /// Sends a log message of level `info` if the client wants it. A client of 2025-11-25 sets the minimum
    /// level for its session; a client of 2026-07-28 sends it with each request.
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
                .map_err(failed_to_send)?;
        }
        Ok(())
    }
}

fn failed_to_send(error: impl Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// The list that changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// Broadcasts changes to all subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(16))
    }
}

impl Changes {
    fn publish(&self, change: Change) {
        // An error means that there are no subscriptions.
        let _ = self.0.send(change);
    }

    /// Sends changes to one subscription (2026-07-28) until its client disconnects.
    pub(crate) async fn forward_to(&self, subscription: &SubscriptionContext) {
        let mut changes = self.0.subscribe();
        loop {
            let change = tokio::select! {
                () = subscription.cancelled() => return,
                change = changes.recv() => change,
            };
            let notification: ServerNotification = match change {
                Ok(Change::Tools) => ToolListChangedNotification::default().into(),
                Ok(Change::Prompts) => PromptListChangedNotification::default().into(),
                // A missed notification says no more than the next one.
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            // The sink returns an error for a notification that the client did not subscribe to.
            let _ = subscription.sink().send(notification).await;
        }
    }
}

const STEP: Duration = Duration::from_millis(50);
