//! [`published_tools`]: the tools that `/docs` and the OpenAPI document describe.

use std::{sync::Arc, time::Duration};

use poem::{
    Endpoint, Request,
    endpoint::TowerCompatExt,
    http::{Method, header},
};
use rmcp::{
    ServerHandler,
    model::{ListToolsResult, Tool},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde::Deserialize;
use serde_json::json;

/// Returns the tools that `server` lists for a request without a caller.
///
/// No session is set, so `get_session` fails in the handler: a server whose list depends on the caller
/// publishes nothing. The list is also empty if the server fails or needs longer than [`TIME_LIMIT`].
pub(crate) async fn published_tools<H: ServerHandler + Clone>(server: H) -> Vec<Tool> {
    let tools = tokio::time::timeout(TIME_LIMIT, list_tools(server)).await;
    tools.ok().flatten().unwrap_or_else(|| {
        tracing::debug!("the server lists no tools without a caller, so /docs shows no tool calls");
        Vec::new()
    })
}

/// Sends `tools/list` through rmcp's HTTP service, which creates the peer that the handler's context needs, and
/// catches panics.
async fn list_tools<H: ServerHandler + Clone>(server: H) -> Option<Vec<Tool>> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    let request = Request::builder()
        .method(Method::POST)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .body(message.to_string());
    let response = service.compat().get_response(request).await;
    let response: ListResponse = response.into_body().into_json().await.ok()?;
    Some(response.result?.tools)
}

#[derive(Deserialize)]
struct ListResponse {
    result: Option<ListToolsResult>,
}

/// The documentation waits for the list when it is first requested.
const TIME_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use rmcp::{
        ErrorData, RoleServer,
        model::{PaginatedRequestParams, ServerConfig},
        service::RequestContext,
    };

    use super::*;
    use crate::{context::get_session, mcp::ExampleTools};

    #[tokio::test]
    async fn tools_are_listed_without_a_caller() {
        let tools = published_tools(ExampleTools::new("Mine")).await;
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(
            names,
            ["get-my-organizations", "get-user-info", "greet", "whoami"]
        );
    }

    /// Lists a tool only for authenticated callers.
    #[derive(Clone)]
    struct Reserved;

    impl ServerHandler for Reserved {
        fn get_info(&self) -> ServerConfig {
            ExampleTools::new("Reserved").get_info()
        }

        async fn list_tools(
            &self,
            _: Option<PaginatedRequestParams>,
            _: RequestContext<RoleServer>,
        ) -> Result<ListToolsResult, ErrorData> {
            get_session().map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            let tool = Tool::new("delete-invoice", "Deletes an invoice.", Arc::default());
            Ok(ListToolsResult::with_all_items(vec![tool]))
        }
    }

    #[tokio::test]
    async fn a_list_that_depends_on_the_caller_is_not_published() {
        assert_eq!(published_tools(Reserved).await, []);
    }
}
