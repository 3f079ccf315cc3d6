//! [`WithSession`]: lets every request of any [`ServerHandler`] run with the caller's session, and contains what goes wrong in it.

use std::{borrow::Cow, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
#[expect(
    deprecated,
    reason = "clients of older protocol versions still set a log level"
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

use crate::{clerk::ClerkClient, context::CallContext, reason::Reason, session::Session};

/// A server handler whose requests see their caller.
///
/// rmcp runs each request on a task of its own, which a task-local of the HTTP middleware does not reach. The session
/// travels in the HTTP request's extensions instead, and is made a task-local again here, around each request.
#[derive(Debug, Clone)]
pub(super) struct WithSession<H> {
    inner: H,
    client: ClerkClient,
    call_timeout: Duration,
    /// Room for notifications that are being handled.
    notices: Arc<Semaphore>,
}

impl<H> WithSession<H> {
    /// Requests of `inner` end after `call_timeout`.
    pub(super) fn new(inner: H, client: ClerkClient, call_timeout: Duration) -> Self {
        Self {
            inner,
            client,
            call_timeout,
            notices: Arc::new(Semaphore::new(MAX_NOTICES)),
        }
    }

    /// Runs `call` with the session that authentication left in the HTTP request: that of this request's token, also where
    /// many requests make up an MCP session.
    async fn run<T>(
        &self,
        context: &RequestContext<RoleServer>,
        call: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<Result<T, ErrorData>, Stopped> {
        let contained = AssertUnwindSafe(self.scoped(&context.extensions, call).inspect_err(Stopped::log)?)
            .catch_unwind();
        tokio::select! {
            // The client went away or takes its request back: rmcp only says so, the call would go on for nobody.
            () = context.ct.cancelled() => Err(Stopped::Cancelled),
            outcome = tokio::time::timeout(self.call_timeout, contained) => match outcome {
                Ok(outcome) => outcome.map_err(|_panic| Stopped::Panicked),
                Err(_) => Err(Stopped::TimedOut(self.call_timeout)),
            },
        }
        .inspect_err(Stopped::log)
    }

    /// Lets a notification be handled. Nobody waits for an answer, and so nobody learns either that it took too long; but no
    /// client can make a server handle more and more of them.
    async fn notified(&self, extensions: &Extensions, handled: impl Future<Output = ()>) {
        let Ok(_room) = self.notices.try_acquire() else {
            tracing::warn!("an MCP notification was left out: too many are being handled");
            return;
        };
        let handled = match self.scoped(extensions, handled) {
            Ok(handled) => AssertUnwindSafe(handled).catch_unwind(),
            Err(stopped) => return stopped.log(),
        };
        match tokio::time::timeout(self.call_timeout, handled).await {
            Ok(Ok(())) => {}
            Ok(Err(_panic)) => Stopped::Panicked.log(),
            Err(_) => Stopped::TimedOut(self.call_timeout).log(),
        }
    }

    /// `call` with the session that came with the request.
    fn scoped<F: Future>(
        &self,
        extensions: &Extensions,
        call: F,
    ) -> Result<impl Future<Output = F::Output> + use<F, H>, Stopped> {
        let session = parts(extensions).and_then(|parts| parts.extensions.get::<Arc<Session>>());
        let session = Arc::clone(session.ok_or(Stopped::Unauthenticated)?);
        Ok(CallContext::new(session, self.client.clone()).scope(call))
    }
}

fn parts(extensions: &Extensions) -> Option<&http::request::Parts> {
    extensions.get()
}

/// The context as a request's handler gets it.
///
/// Without an MCP session a question to the client goes out, but its answer finds nobody (rmcp refuses it with 400), and the
/// call would wait for it until its time is up. rmcp refuses to ask a peer of 2026-07-28, where such questions are gone; so
/// the peer, which is this request's alone, is made to look like one, while the request goes on saying what it is.
fn for_call(context: &RequestContext<RoleServer>) -> RequestContext<RoleServer> {
    let mut context = context.clone();
    let has_session =
        parts(&context.extensions).is_some_and(|parts| parts.headers.contains_key("mcp-session-id"));
    if !has_session
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

/// Why a call ended without an answer of its own.
#[derive(Debug, Clone, Copy)]
enum Stopped {
    Unauthenticated,
    Cancelled,
    /// On rmcp's task, a panic would leave the client waiting for ever. Its text stays in the log, for it may hold anything.
    Panicked,
    TimedOut(Duration),
}

impl Stopped {
    fn log(&self) {
        match self {
            Self::Cancelled => {}
            Self::Unauthenticated => tracing::error!("an MCP request came without a session"),
            Self::Panicked => tracing::error!("an MCP request handler panicked"),
            Self::TimedOut(limit) => {
                Reason::RequestTimeout.count();
                tracing::warn!(reason = %Reason::RequestTimeout, ?limit, "an MCP request took too long");
            }
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => f.write_str("[Clerk] Session not initialized"),
            Self::Cancelled => f.write_str("The request was cancelled"),
            Self::Panicked => f.write_str("Internal error"),
            Self::TimedOut(limit) => write!(
                f,
                "This took longer than the {} seconds that it may, and was stopped. Trying again may help.",
                limit.as_secs_f32()
            ),
        }
    }
}

impl From<Stopped> for ErrorData {
    fn from(stopped: Stopped) -> Self {
        Self::internal_error(stopped.to_string(), None)
    }
}

/// Requests that are passed on within the session.
macro_rules! within_session {
    ($($(#[$attribute:meta])* $method:ident($($params:ty)?) -> $result:ty;)*) => {$(
        $(#[$attribute])*
        async fn $method(
            &self,
            $(params: $params,)?
            context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            // The future borrows nothing of the context that it takes, so a copy finds the session. A handler may panic before
            // it gives its future out, so that is made inside.
            let call = async {
                self.inner
                    .$method($({ let params: $params = params; params },)? for_call(&context))
                    .await
            };
            self.run(&context, call).await?
        }
    )*};
}

/// Notifications that are passed on within the session.
macro_rules! passed_on {
    ($($method:ident($($params:ty)?);)*) => {$(
        async fn $method(&self, $(params: $params,)? context: NotificationContext<RoleServer>) {
            let extensions = context.extensions.clone();
            let handled = async {
                self.inner.$method($({ let params: $params = params; params },)? context).await;
            };
            self.notified(&extensions, handled).await;
        }
    )*};
}

/// Lists that are passed on within the session. They are the caller's, who is known: where nothing else is said, nobody may
/// keep one for others (MCP 2026-07-28, SEP-2549). rmcp's macros say that everybody may, for no time at all.
macro_rules! private_list {
    ($($method:ident -> $result:ty;)*) => {$(
        async fn $method(
            &self,
            params: Option<PaginatedRequestParams>,
            context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            let call = async { self.inner.$method(params, for_call(&context)).await };
            let mut list = self.run(&context, call).await??;
            if list.ttl_ms == Some(0) && list.cache_scope == Some(CacheScope::Public) {
                list.cache_scope = Some(CacheScope::Private);
            }
            Ok(list)
        }
    )*};
}

#[expect(
    deprecated,
    reason = "clients of older protocol versions still subscribe by request"
)]
impl<H: ServerHandler> ServerHandler for WithSession<H> {
    within_session! {
        ping() -> ();
        initialize(InitializeRequestParams) -> InitializeResult;
        discover() -> DiscoverResult;
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

    private_list! {
        list_prompts -> ListPromptsResult;
        list_resources -> ListResourcesResult;
        list_resource_templates -> ListResourceTemplatesResult;
        list_tools -> ListToolsResult;
        list_skills -> ListSkillsResult;
    }

    /// A tool that takes too long has failed, and that is a result: what it says reaches whoever called it.
    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = async { self.inner.call_tool(params, for_call(&context)).await };
        match self.run(&context, call).await {
            Ok(outcome) => outcome,
            Err(stopped @ Stopped::TimedOut(_)) => {
                let text = ContentBlock::text(stopped.to_string());
                Ok(CallToolResult::error(vec![text]).into())
            }
            Err(stopped) => Err(stopped.into()),
        }
    }

    /// What rmcp can't read as a request of MCP ends up here, also when only the parameters are wrong.
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
            let message = format!("The params are not those of {method}");
            return Err(ErrorData::invalid_params(message, None));
        }
        let call = async { self.inner.on_custom_request(request, for_call(&context)).await };
        self.run(&context, call).await?
    }

    /// Goes on for as long as the client listens, so without a time limit.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context().clone();
        let call = self
            .scoped(&request.extensions, async { self.inner.listen(context).await })
            .inspect_err(Stopped::log)?;
        let outcome = tokio::select! {
            () = request.ct.cancelled() => Err(Stopped::Cancelled),
            outcome = AssertUnwindSafe(call).catch_unwind() => outcome.map_err(|_panic| Stopped::Panicked),
        };
        outcome.inspect_err(Stopped::log)?
    }

    passed_on! {
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

/// Handled at a time, of one session; without a session each is on its own.
const MAX_NOTICES: usize = 64;
/// The requests of MCP's revisions so far, as rmcp reads them: it takes those of them for custom ones whose params don't fit.
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
/// Those of them that 2026-07-28 has no more (SEP-2575).
const REMOVED_METHODS: [&str; 5] = [
    "initialize",
    "logging/setLevel",
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
];
