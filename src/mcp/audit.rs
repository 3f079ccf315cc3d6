//! [`AuditedCall`]: the audit log, one event for each tool call.
//!
//! An event contains ids, and never arguments, results, tokens, names or email addresses.

use std::{sync::Arc, time::Instant};

use poem::{Request, http::HeaderName};
use rmcp::{ErrorData, model::CallToolResponse};

use crate::{
    id::{ClientId, OrganizationId},
    policy::Requirement,
    reason::Reason,
    request_id::RequestId,
    session::Session,
};

/// A tool call that was received and is not finished.
#[derive(Debug)]
pub(super) struct AuditedCall {
    tool: String,
    /// `None` if the caller is anonymous.
    session: Option<Arc<Session>>,
    required_scopes: Vec<String>,
    request_id: Option<RequestId>,
    trace_id: Option<String>,
    started: Instant,
}

impl AuditedCall {
    /// Starts a call of `tool`, which has this requirement.
    pub(super) fn start(
        tool: &str,
        requirement: Option<&Requirement>,
        session: Option<&Arc<Session>>,
        request: &Request,
    ) -> Self {
        Self {
            tool: tool.to_owned(),
            session: session.cloned(),
            required_scopes: requirement
                .map(Requirement::scopes_to_request)
                .unwrap_or_default(),
            request_id: request.data::<RequestId>().copied(),
            trace_id: request
                .headers()
                .get(TRACEPARENT)
                .and_then(|value| trace_id(value.to_str().ok()?))
                .map(str::to_owned),
            started: Instant::now(),
        }
    }

    /// Logs that the call was rejected before the tool ran.
    pub(super) fn rejected(&self, reason: Reason) {
        self.log("rejected", Some(reason));
    }

    fn log(&self, outcome: &str, reason: Option<Reason>) {
        let session = self.session.as_deref();
        tracing::info!(
            target: "clerk_mcp::audit",
            tool = self.tool,
            outcome,
            reason = reason.map(Reason::as_str),
            user = session.map(|session| session.subject.as_str()),
            organization = session.and_then(|session| session.organization_id.as_ref()).map(OrganizationId::as_str),
            client_id = session.and_then(|session| session.client_id.as_ref()).map(ClientId::as_str),
            token_type = session.map(|session| session.token_type.as_str()),
            required_scopes = self.required_scopes.join(" "),
            milliseconds = self.started.elapsed().as_secs_f64() * 1_000.0,
            request_id = self.request_id.map(tracing::field::display),
            trace_id = self.trace_id,
            "tool call"
        );
    }
}

/// A call that was admitted. If it is dropped before it is finished, because its client disconnected, it is
/// logged as an error: the tool may have had effects.
#[derive(Debug)]
pub(super) struct RunningCall(Option<Arc<AuditedCall>>);

impl RunningCall {
    /// Calls are not logged if `call` is `None`.
    pub(super) fn new(call: Option<Arc<AuditedCall>>) -> Self {
        Self(call)
    }

    /// Logs the outcome.
    pub(super) fn finished(mut self, outcome: &Result<CallToolResponse, ErrorData>) {
        if let Some(call) = self.0.take() {
            call.log(label(outcome), None);
        }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if let Some(call) = &self.0 {
            call.log(ERROR, None);
        }
    }
}

/// Names the outcome of a call.
pub(super) fn label(outcome: &Result<CallToolResponse, ErrorData>) -> &'static str {
    match outcome {
        Ok(CallToolResponse::Complete(result)) if result.is_error == Some(true) => "tool-error",
        Ok(_) => "ok",
        // An unknown tool, a panic, or a call that was cancelled.
        Err(_) => ERROR,
    }
}

const ERROR: &str = "error";

/// Returns the trace id of a `traceparent` header (W3C Trace Context §3.2).
fn trace_id(header: &str) -> Option<&str> {
    let id = header.split('-').nth(1)?;
    let is_hexadecimal = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (id.len() == 32 && is_hexadecimal).then_some(id)
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
