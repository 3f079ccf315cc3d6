//! Completes list results: removes tools that the caller may not call, and sets who may cache the list.

use futures_util::FutureExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CacheScope, Extensions, ListToolsResult, PaginatedRequestParams},
    service::RequestContext,
};

use super::{WithSession, caller::caller, peer::handler_context};
use crate::{membership::with_membership, policy::ToolListing};

impl<H: ServerHandler> WithSession<H> {
    /// Lists the tools. With [`ToolListing::Allowed`], only those that the caller may call.
    pub(super) async fn list_tools_of_caller(
        &self,
        params: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let extensions = context.extensions.clone();
        let (caller, cancelled) = (caller(&extensions), context.ct.clone());
        let call = async {
            let mut list = self.inner.list_tools(params, handler_context(context)).await?;
            if self.policy.listing == ToolListing::Allowed {
                self.remove_denied(&mut list, &extensions).await?;
            }
            Ok(list)
        };
        let mut list = self
            .run(caller, cancelled, self.call_timeout, call.boxed())
            .await??;
        keep_private(&mut list.ttl_ms, &mut list.cache_scope);
        Ok(list)
    }

    /// Removes the tools that the caller may not call. A client must not keep such a list for long: the caller
    /// may sign in, and a lost role takes effect within 30 s.
    async fn remove_denied(
        &self,
        list: &mut ListToolsResult,
        extensions: &Extensions,
    ) -> Result<(), ErrorData> {
        if let Some(session) = caller(extensions)? {
            let session = with_membership(session, &self.client)
                .await
                .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            list.tools.retain(|tool| {
                self.policy
                    .of(&tool.name)
                    .is_none_or(|one| one.check(&session).is_ok())
            });
        } else {
            list.tools.retain(|tool| self.policy.is_public(&tool.name));
        }
        if list.ttl_ms.is_some() {
            list.ttl_ms = Some(0);
            list.cache_scope = Some(CacheScope::Private);
        }
        Ok(())
    }
}

/// Marks a list that has rmcp's default cache hints as private (MCP 2026-07-28, SEP-2549). rmcp's macros mark
/// it as public with a lifetime of zero, but it was made for one caller.
pub(super) fn keep_private(ttl_ms: &mut Option<u64>, cache_scope: &mut Option<CacheScope>) {
    if *ttl_ms == Some(0) && *cache_scope == Some(CacheScope::Public) {
        *cache_scope = Some(CacheScope::Private);
    }
}
