//! [`WithSession`]: lets every request of any [`ServerHandler`] run with the caller's session, and contains panics.

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
#[expect(
    deprecated,
    reason = "clients of older protocol versions still set a log level"
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
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

use crate::{clerk::ClerkClient, context::CallContext, session::Session};

/// A server handler whose requests see their caller.
///
/// rmcp runs each request on a task of its own, which a task-local of the HTTP middleware does not reach. The session
/// travels in the HTTP request's extensions instead, and is made a task-local again here, around each request.
#[derive(Debug, Clone)]
pub(super) struct WithSession<H> {
    inner: H,
    client: ClerkClient,
}

impl<H> WithSession<H> {
    pub(super) fn new(inner: H, client: ClerkClient) -> Self {
        Self { inner, client }
    }

    /// Runs `call` with the session that authentication left in the HTTP request.
    ///
    /// A panic becomes an answer: on rmcp's task it would leave the client waiting for ever. Its text stays in the log,
    /// for it may hold anything.
    async fn run<T>(
        &self,
        context: &RequestContext<RoleServer>,
        call: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, ErrorData> {
        let Some(session) = context
            .extensions
            .get::<http::request::Parts>()
            .and_then(|parts| parts.extensions.get::<Arc<Session>>())
        else {
            tracing::error!("an MCP request came without a session: the endpoint is not behind RequireAuth");
            return Err(ErrorData::internal_error("[Clerk] Session not initialized", None));
        };
        let scoped = CallContext::new(Arc::clone(session), self.client.clone()).scope(call);
        let contained = AssertUnwindSafe(scoped).catch_unwind();
        tokio::select! {
            // The client went away or the time is up: rmcp only says so, the call would go on for nobody.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("The request was cancelled", None)),
            outcome = contained => outcome.unwrap_or_else(|_panic| {
                tracing::error!("an MCP request handler panicked");
                Err(ErrorData::internal_error("Internal error", None))
            }),
        }
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
            // The future borrows nothing of the context that it takes, so a copy finds the session.
            let call = self.inner.$method($({ let params: $params = params; params },)? context.clone());
            self.run(&context, call).await
        }
    )*};
}

/// Notifications: nobody waits for an answer, and none is about a caller.
macro_rules! passed_on {
    ($($method:ident($($params:ty)?);)*) => {$(
        async fn $method(&self, $(params: $params,)? context: NotificationContext<RoleServer>) {
            self.inner.$method($({ let params: $params = params; params },)? context).await;
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
        list_prompts(Option<PaginatedRequestParams>) -> ListPromptsResult;
        list_resources(Option<PaginatedRequestParams>) -> ListResourcesResult;
        list_resource_templates(Option<PaginatedRequestParams>) -> ListResourceTemplatesResult;
        read_resource(ReadResourceRequestParams) -> ReadResourceResponse;
        subscribe(SubscribeRequestParams) -> ();
        unsubscribe(UnsubscribeRequestParams) -> ();
        call_tool(CallToolRequestParams) -> CallToolResponse;
        list_tools(Option<PaginatedRequestParams>) -> ListToolsResult;
        on_custom_request(CustomRequest) -> CustomResult;
        get_task(GetTaskParams) -> GetTaskResult;
        update_task(UpdateTaskParams) -> ();
        cancel_task(CancelTaskParams) -> ();
        list_skills(Option<PaginatedRequestParams>) -> ListSkillsResult;
        get_skill(GetSkillRequestParams) -> GetSkillResult;
        read_resource_directory(ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult;
    }

    passed_on! {
        on_cancelled(CancelledNotificationParam);
        on_progress(ProgressNotificationParam);
        on_initialized();
        on_roots_list_changed();
        on_custom_notification(CustomNotification);
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.inner.listen(context).await
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
