//! [`WithSession`]: runs every request of a [`ServerHandler`] with the caller's session, with a time limit,
//! and with panics caught.

use std::{borrow::Cow, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
#[expect(
    deprecated,
    reason = "clients of 2025-11-25 and earlier still set a log level"
)]
use rmcp::model::SetLevelRequestParams;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams,
        CancelledNotificationParam, CompleteRequestParams, CompleteResult, ContentBlock, CustomNotification,
        CustomRequest, CustomResult, DiscoverResult, Extensions, GetPromptRequestParams, GetPromptResponse,
        GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams,
        InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListSkillsResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
        ProtocolVersion, ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult,
        ReadResourceRequestParams, ReadResourceResponse, ServerConfig, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    audit::{self, AuditedCall},
    sessions::SESSION_ID,
    tools::arguments,
};
use crate::{
    auth::Anonymous,
    clerk::ClerkClient,
    context::{self, CallContext},
    log_limit::log_limited,
    policy::{ToolListing, ToolPolicy},
    reason::Reason,
    session::Session,
    time_limit::within,
    trace,
};

/// A server handler that runs each request with the session of its caller.
///
/// rmcp runs each request on a separate task, which does not inherit a task-local of the HTTP middleware. So
/// the middleware puts the session into the extensions of the HTTP request, and this handler sets the
/// task-local around each request.
#[derive(Debug, Clone)]
pub(super) struct WithSession<H> {
    inner: H,
    client: ClerkClient,
    policy: Arc<ToolPolicy>,
    call_timeout: Duration,
    /// Limits the notifications that are handled at a time.
    notification_permits: Arc<Semaphore>,
}

impl<H> WithSession<H> {
    /// Wraps `inner`, whose requests time out after `call_timeout`. `policy` decides which tools are listed.
    pub(super) fn new(
        inner: H,
        client: ClerkClient,
        policy: Arc<ToolPolicy>,
        call_timeout: Duration,
    ) -> Self {
        Self {
            inner,
            client,
            policy,
            call_timeout,
            notification_permits: Arc::new(Semaphore::new(MAX_NOTIFICATIONS)),
        }
    }

    /// Runs `call` with the session of this request's token. In an MCP session, each request has its own
    /// token.
    ///
    /// `call` is boxed, because rmcp would otherwise copy the largest of all handlers several times per
    /// request.
    async fn run<T>(
        &self,
        (caller, cancelled): (Result<Caller, Aborted>, CancellationToken),
        call: BoxFuture<'_, Result<T, ErrorData>>,
    ) -> Result<Result<T, ErrorData>, Aborted> {
        let call = AssertUnwindSafe(self.scoped(caller.inspect_err(Aborted::log)?, call)).catch_unwind();
        tokio::select! {
            biased;
            outcome = within(self.call_timeout, call) => match outcome {
                Ok(outcome) => outcome.map_err(|_panic| Aborted::Panicked),
                Err(_) => Err(Aborted::TimedOut(self.call_timeout)),
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
    async fn run_notification(&self, extensions: &Extensions, handler: BoxFuture<'_, ()>) {
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

    /// Removes the tools that the caller may not call. A client must not keep such a list for long, because a
    /// lost role takes effect within 30 s.
    async fn remove_denied(
        &self,
        list: &mut ListToolsResult,
        extensions: &Extensions,
    ) -> Result<(), ErrorData> {
        let Some(session) = caller(extensions)? else {
            list.tools.retain(|tool| self.policy.is_public(&tool.name));
            return Ok(());
        };
        let session = context::with_membership(session, &self.client)
            .await
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        list.tools.retain(|tool| {
            self.policy
                .of(&tool.name)
                .is_none_or(|one| one.check(&session).is_ok())
        });
        if list.ttl_ms.is_some() {
            list.ttl_ms = Some(0);
            list.cache_scope = Some(CacheScope::Private);
        }
        Ok(())
    }
}

/// The session of a caller, or `None` if the caller is anonymous.
type Caller = Option<Arc<Session>>;

/// Returns the caller of the request that these extensions belong to.
fn caller(extensions: &Extensions) -> Result<Caller, Aborted> {
    let parts = parts(extensions).ok_or(Aborted::Unauthenticated)?;
    match parts.extensions.get::<Arc<Session>>() {
        Some(session) => Ok(Some(Arc::clone(session))),
        None if parts.extensions.get::<Anonymous>().is_some() => Ok(None),
        None => Err(Aborted::Unauthenticated),
    }
}

/// Returns the caller of a request that an anonymous caller may send only if `is_public`. The code in front
/// of rmcp has checked this already, on its own reading of the body.
fn caller_if(is_public: bool, extensions: &Extensions) -> Result<Caller, Aborted> {
    match caller(extensions) {
        Ok(None) if !is_public => Err(Aborted::Unauthenticated),
        other => other,
    }
}

impl<H: ServerHandler> WithSession<H> {
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

fn parts(extensions: &Extensions) -> Option<&http::request::Parts> {
    extensions.get()
}

/// Returns the context for the handler of a request. In a request without an MCP session, the handler's
/// requests to the client fail at once.
///
/// Without a session, rmcp would send the handler's request but reject the client's answer with 400, so the
/// call would wait until it times out. If the peer is a client of 2026-07-28, a revision without such
/// requests, rmcp returns an error at once. Therefore this function sets the revision of the peer to
/// 2026-07-28, and stores the real revision in the `_meta` of the request.
fn handler_context(mut context: RequestContext<RoleServer>) -> RequestContext<RoleServer> {
    let has_session = parts(&context.extensions).is_some_and(|parts| parts.headers.contains_key(SESSION_ID));
    // A closed peer cannot send requests. All direct calls share it, so it must not be changed.
    if !has_session
        && !context.peer.is_transport_closed()
        && context.meta.protocol_version().is_none()
        && let Some(info) = context.peer.peer_info()
        && info.protocol_version < ProtocolVersion::V_2026_07_28
    {
        context.meta.set_protocol_version(info.protocol_version.clone());
        let mut info = InitializeRequestParams::clone(&info);
        info.protocol_version = ProtocolVersion::V_2026_07_28;
        context.peer.set_peer_info(info);
    }
    context
}

/// The reason why a handler did not return a result.
#[derive(Debug, Clone, Copy)]
enum Aborted {
    Unauthenticated,
    Cancelled,
    /// rmcp would not answer a request whose task panicked. The panic message is not sent: it may contain
    /// secrets.
    Panicked,
    TimedOut(Duration),
}

impl Aborted {
    fn log(&self) {
        match self {
            Self::Cancelled => {}
            Self::Unauthenticated => log_limited!(error, "no-session", "MCP request without a session"),
            Self::Panicked => log_limited!(error, "panic", "MCP request handler panicked"),
            Self::TimedOut(limit) => {
                Reason::RequestTimeout.count();
                log_limited!(warn, "mcp-timeout", reason = %Reason::RequestTimeout, ?limit, "MCP request timed out");
            }
        }
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => f.write_str("[Clerk] Session not initialized"),
            Self::Cancelled => f.write_str("The request was cancelled"),
            Self::Panicked => f.write_str("Internal error"),
            Self::TimedOut(limit) => write!(
                f,
                "This call timed out after {} seconds. Trying again may help.",
                limit.as_secs_f32()
            ),
        }
    }
}

impl From<Aborted> for ErrorData {
    fn from(aborted: Aborted) -> Self {
        Self::internal_error(aborted.to_string(), None)
    }
}

/// Forwards requests to the inner handler, through [`WithSession::run`]. `is_public` says whether anonymous
/// callers may send them.
macro_rules! forward_requests {
    (is_public: $is_public:literal; $($method:ident($($params:ty)?) -> $result:ty;)*) => {$(
        async fn $method(
            &self,
            $(params: $params,)?
            context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            let caller = (caller_if($is_public, &context.extensions), context.ct.clone());
            // The handler is called inside the future, because it may panic before it returns one.
            let call = async {
                self.inner
                    .$method($({ let params: $params = params; params },)? handler_context(context))
                    .await
            };
            self.run(caller, call.boxed()).await?
        }
    )*};
}

/// Forwards notifications to the inner handler, through [`WithSession::run_notification`].
macro_rules! forward_notifications {
    ($($method:ident($($params:ty)?);)*) => {$(
        async fn $method(&self, $(params: $params,)? context: NotificationContext<RoleServer>) {
            let extensions = context.extensions.clone();
            let handler = async {
                self.inner.$method($({ let params: $params = params; params },)? context).await;
            };
            self.run_notification(&extensions, handler.boxed()).await;
        }
    )*};
}

/// Makes a list with rmcp's default cache hints private (MCP 2026-07-28, SEP-2549): the list was made for an
/// authenticated caller, and rmcp's macros mark it as public with a lifetime of zero.
fn keep_private(ttl_ms: &mut Option<u64>, cache_scope: &mut Option<CacheScope>) {
    if *ttl_ms == Some(0) && *cache_scope == Some(CacheScope::Public) {
        *cache_scope = Some(CacheScope::Private);
    }
}

/// Forwards list requests to the inner handler, and keeps the lists private.
macro_rules! forward_lists {
    ($($method:ident -> $result:ty;)*) => {$(
        async fn $method(
            &self,
            params: Option<PaginatedRequestParams>,
            context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            let caller = (caller_if(false, &context.extensions), context.ct.clone());
            let call = async { self.inner.$method(params, handler_context(context)).await };
            let mut list = self.run(caller, call.boxed()).await??;
            keep_private(&mut list.ttl_ms, &mut list.cache_scope);
            Ok(list)
        }
    )*};
}

#[expect(
    deprecated,
    reason = "clients of 2025-11-25 and earlier still subscribe by request"
)]
impl<H: ServerHandler> ServerHandler for WithSession<H> {
    forward_requests! {
        is_public: true;
        ping() -> ();
        initialize(InitializeRequestParams) -> InitializeResult;
        discover() -> DiscoverResult;
    }

    forward_requests! {
        is_public: false;
        complete(CompleteRequestParams) -> CompleteResult;
        set_level(SetLevelRequestParams) -> ();
        get_prompt(GetPromptRequestParams) -> GetPromptResponse;
        read_resource(ReadResourceRequestParams) -> ReadResourceResponse;
        subscribe(SubscribeRequestParams) -> ();
        unsubscribe(UnsubscribeRequestParams) -> ();
        get_task(GetTaskParams) -> GetTaskResult;
        update_task(UpdateTaskParams) -> ();
        cancel_task(CancelTaskParams) -> ();
        get_skill(GetSkillRequestParams) -> GetSkillResult;
        read_resource_directory(ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult;
    }

    forward_lists! {
        list_prompts -> ListPromptsResult;
        list_resources -> ListResourcesResult;
        list_resource_templates -> ListResourceTemplatesResult;
        list_skills -> ListSkillsResult;
    }

    async fn list_tools(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let extensions = context.extensions.clone();
        let caller = (caller(&extensions), context.ct.clone());
        let call = async {
            let mut list = self.inner.list_tools(params, handler_context(context)).await?;
            if self.policy.listing == ToolListing::Allowed {
                self.remove_denied(&mut list, &extensions).await?;
            }
            Ok(list)
        };
        let mut list = self.run(caller, call.boxed()).await??;
        keep_private(&mut list.ttl_ms, &mut list.cache_scope);
        Ok(list)
    }

    /// Reports a timeout as a tool result, which the model can read; a JSON-RPC error would not reach it.
    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let is_public = self.policy.is_public(&params.name);
        let caller = (caller_if(is_public, &context.extensions), context.ct.clone());
        let audited = audited_call(&context.extensions);
        let span = self.tool_span(&params.name, &context);
        let (tool, arguments) = (params.name.clone(), params.arguments.clone().unwrap_or_default());
        let call = async { self.inner.call_tool(params, handler_context(context)).await };
        let outcome = match self.run(caller, call.boxed()).instrument(span.clone()).await {
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
        if let Some(call) = audited {
            call.finished(&outcome);
        }
        outcome
    }

    /// rmcp calls this for every request that it cannot parse, including known methods with invalid params.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method.as_str();
        let is_removed = REMOVED_METHODS.contains(&method)
            && context
                .protocol_version()
                .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        if METHODS.contains(&method) && !is_removed {
            let message = format!("Invalid params for {method}");
            return Err(ErrorData::invalid_params(message, None));
        }
        let caller = (caller_if(false, &context.extensions), context.ct.clone());
        let call = async {
            self.inner
                .on_custom_request(request, handler_context(context))
                .await
        };
        self.run(caller, call.boxed()).await?
    }

    /// Runs without a time limit: a subscription lasts until its client disconnects.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context().clone();
        let caller = caller_if(false, &request.extensions).inspect_err(Aborted::log)?;
        let call = self.scoped(caller, async { self.inner.listen(context).await });
        let outcome = tokio::select! {
            () = request.ct.cancelled() => Err(Aborted::Cancelled),
            outcome = AssertUnwindSafe(call).catch_unwind() => outcome.map_err(|_panic| Aborted::Panicked),
        };
        outcome.inspect_err(Aborted::log)?
    }

    forward_notifications! {
        on_cancelled(CancelledNotificationParam);
        on_progress(ProgressNotificationParam);
        on_initialized();
        on_roots_list_changed();
        on_custom_notification(CustomNotification);
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.inner.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.inner.get_tool(name)
    }
}

/// Maximum number of notifications of one MCP session that are handled at a time.
const MAX_NOTIFICATIONS: usize = 64;
/// The request methods of all MCP revisions so far. rmcp passes one whose params it cannot parse to
/// `on_custom_request`.
const METHODS: [&str; 21] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/call",
    "tools/list",
];
/// The methods that were removed in 2026-07-28 (SEP-2575).
const REMOVED_METHODS: [&str; 5] = [
    "initialize",
    "logging/setLevel",
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
];

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
