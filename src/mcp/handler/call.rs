//! Calls of tools: each has a span and an audit event, and wrong arguments are explained to the model.

use std::sync::Arc;

use futures_util::FutureExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Extensions},
    service::RequestContext,
};
use tracing::{Instrument, Span};

use super::{
    WithSession,
    aborted::Aborted,
    arguments,
    caller::{caller_if, parts},
    peer::handler_context,
};
use crate::{
    mcp::audit::{self, AuditedCall, RunningCall},
    trace,
};

impl<H: ServerHandler> WithSession<H> {
    /// Calls a tool. Reports a timeout as a tool result, which the model can read; a JSON-RPC error would not
    /// reach it.
    pub(super) async fn call_tool_of_caller(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let is_public = self.policy.is_public(&params.name);
        let caller = caller_if(is_public, &context.extensions);
        let cancelled = context.ct.clone();
        let audited = RunningCall::new(audited_call(&context.extensions));
        let span = self.tool_span(&params.name, &context);
        let (tool, arguments) = (params.name.clone(), params.arguments.clone().unwrap_or_default());
        let call = async { self.inner.call_tool(params, handler_context(context)).await };
        let outcome = match self
            .run(caller, cancelled, self.call_timeout, call.boxed())
            .instrument(span.clone())
            .await
        {
            Ok(outcome) => outcome.map(|result| {
                let schema = || self.inner.get_tool(&tool).map(|tool| tool.input_schema);
                arguments::explained(result, schema, &arguments)
            }),
            Err(timed_out @ Aborted::TimedOut(_)) => {
                let text = ContentBlock::text(timed_out.to_string());
                Ok(CallToolResult::error(vec![text]).into())
            }
            Err(aborted) => Err(aborted.into()),
        };
        match audit::label(&outcome) {
            "ok" => {}
            error => {
                span.record("error.type", error);
            }
        }
        audited.finished(&outcome);
        outcome
    }

    /// Creates the span of a tool call. Clients choose the names of unknown tools freely, so those are left
    /// out.
    fn tool_span(&self, name: &str, context: &RequestContext<RoleServer>) -> Span {
        // `get_tool` clones the tool.
        if !trace::is_recorded() {
            return Span::none();
        }
        let tool = self.inner.get_tool(name).map_or("unknown", |_| name);
        let request = parts(&context.extensions).and_then(|parts| parts.extensions.get());
        trace::tool(tool, request, |member| context.meta.get(member)?.as_str())
    }
}

/// Returns the audited call of the request that these extensions belong to, if calls are audited.
fn audited_call(extensions: &Extensions) -> Option<Arc<AuditedCall>> {
    parts(extensions)?.extensions.get().cloned()
}
