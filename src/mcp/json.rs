//! [`Json`]: a tool's data, once for programs and once for readers.

use std::borrow::Cow;

use jiff::Timestamp;
use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// A tool's result as `structuredContent`, and as the same JSON in a text block, indented by two spaces, for clients
/// that show text alone.
///
/// The name matters: rmcp's `#[tool]` derives the output schema from a return type that is called `Json`.
/// ```
/// use clerk_mcp::mcp::{Json, ToolError};
/// use rmcp::{ServerHandler, tool, tool_handler, tool_router};
///
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Balance {
///     cents: u64,
/// }
///
/// #[derive(Clone)]
/// struct Bank;
///
/// #[tool_router]
/// impl Bank {
///     #[tool(name = "balance", description = "Tells the balance.")]
///     async fn balance(&self) -> Result<Json<Balance>, ToolError> {
///         Ok(Json(Balance { cents: 4_200 }))
///     }
/// }
///
/// #[tool_handler(name = "bank", version = "1.0.0")]
/// impl ServerHandler for Bank {}
///
/// assert!(Bank.get_tool("balance").is_some_and(|tool| tool.output_schema.is_some()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoCallToolResult for Json<T> {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(result(&self.0, None)?.into())
    }
}

/// The result of `data`; `text` takes the place of its JSON where a sentence says more.
pub(super) fn result<T: Serialize>(data: &T, text: Option<String>) -> Result<CallToolResult, ErrorData> {
    let unfit = |_| ErrorData::internal_error("Internal error", None);
    let structured = serde_json::to_value(data).map_err(unfit)?;
    let text = match text {
        Some(text) => text,
        None => serde_json::to_string_pretty(data).map_err(unfit)?,
    };
    let mut result = CallToolResult::structured(structured);
    result.content = vec![ContentBlock::text(text)];
    Ok(result)
}

/// A time in a tool's data: ISO 8601 in UTC, and declared as such in the output schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct DateTime(Timestamp);

impl From<Timestamp> for DateTime {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl JsonSchema for DateTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DateTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}
