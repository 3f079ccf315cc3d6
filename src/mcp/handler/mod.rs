//! [`WithSession`]: runs every request of a [`ServerHandler`] with the caller's session, with a time limit,
//! and with panics caught.
//!
//! This file has one method for each method of [`ServerHandler`]. The other files have the steps:
//!
//! 1. [`caller`] finds the session of the request.
//! 2. [`peer`] makes the handler's requests to the client fail if there is no MCP session.
//! 3. [`run`] runs the inner handler. If it does not return a result, [`aborted`] has the reason.
//! 4. [`call`] completes the result of a tool call, with [`arguments`] if arguments are wrong, and [`list`]
//!    the result of a list request. [`methods`] answers a request that rmcp could not parse.

mod aborted;
mod arguments;
mod call;
mod caller;
mod list;
mod methods;
mod peer;
mod run;

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures_util::FutureExt;
#[expect(
    deprecated,
    reason = "clients of 2025-11-25 and earlier still set a log level"
)]
use rmcp::model::SetLevelRequestParams;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam,
        CompleteRequestParams, CompleteResult, CustomNotification, CustomRequest, CustomResult,
        DiscoverResult, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams, GetSkillResult,
        GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
        ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams,
        ReadResourceResponse, ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{MaybeSendFuture, NotificationContext, RequestContext, SubscriptionContext},
};
use tokio::sync::Semaphore;

use self::{caller::caller_if, list::keep_private, peer::handler_context, run::MAX_NOTIFICATIONS};
use crate::{clerk::ClerkClient, policy::ToolPolicy};

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
            let caller = caller_if($is_public, &context.extensions);
            let cancelled = context.ct.clone();
            // The handler is called inside the future, because it may panic before it returns one.
            let call = async {
                self.inner
                    .$method($({ let params: $params = params; params },)? handler_context(context))
                    .await
            };
            self.run(caller, cancelled, self.call_timeout, call.boxed()).await?
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

/// Forwards list requests to the inner handler, and keeps the lists private.
macro_rules! forward_lists {
    ($($method:ident -> $result:ty;)*) => {$(
        async fn $method(
            &self,
            params: Option<PaginatedRequestParams>,
            context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            let caller = caller_if(false, &context.extensions);
            let cancelled = context.ct.clone();
            let call = async { self.inner.$method(params, handler_context(context)).await };
            let mut list = self.run(caller, cancelled, self.call_timeout, call.boxed()).await??;
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

    fn list_tools(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + MaybeSendFuture + '_ {
        self.list_tools_of_caller(params, context)
    }

    fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + MaybeSendFuture + '_ {
        self.call_tool_of_caller(params, context)
    }

    /// rmcp calls this for every request that it cannot parse, including known methods with invalid params.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        methods::reject_invalid_params(&request, &context)?;
        let caller = caller_if(false, &context.extensions);
        let cancelled = context.ct.clone();
        let call = async {
            self.inner
                .on_custom_request(request, handler_context(context))
                .await
        };
        self.run(caller, cancelled, self.call_timeout, call.boxed())
            .await?
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context();
        let caller = caller_if(false, &request.extensions);
        let cancelled = request.ct.clone();
        let call = async { self.inner.listen(context).await };
        // A subscription has no time limit: it lasts until its client disconnects.
        self.run(caller, cancelled, Duration::MAX, call.boxed()).await?
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
