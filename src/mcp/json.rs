//! [`Json`]: a tool result as structured content and as text.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock, JsonObject},
};
use schemars::{
    JsonSchema, Schema, SchemaGenerator, json_schema,
    transform::{RecursiveTransform, Transform},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A tool result, sent as `structuredContent` and, for clients that only show text, as the same JSON in a
/// text block, indented by two spaces.
///
/// The type has to be named `Json`: rmcp's `#[tool]` derives an output schema only from a return type of that
/// name.
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
///     #[tool(name = "balance", description = "Returns the balance.")]
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

/// Builds a tool result from `data`. `text` replaces the JSON in the text block.
pub(super) fn result<T: Serialize>(data: &T, text: Option<String>) -> Result<CallToolResult, ErrorData> {
    let failed = |_| ErrorData::internal_error("Internal error", None);
    let structured = serde_json::to_value(data).map_err(failed)?;
    let text = match text {
        Some(text) => text,
        None => serde_json::to_string_pretty(data).map_err(failed)?,
    };
    let mut result = CallToolResult::structured(structured);
    result.content = vec![ContentBlock::text(text)];
    Ok(result)
}

/// Replaces each `"type": ["string", "null"]`, which schemars writes for an `Option`, by an `anyOf` with one
/// branch per type. Some clients ignore a `type` that is a list, and MCP Inspector warns about it.
pub(super) fn with_null_branches(schema: Arc<JsonObject>) -> Arc<JsonObject> {
    let mut schema = Schema::from(Arc::unwrap_or_clone(schema));
    RecursiveTransform(null_branch).transform(&mut schema);
    Arc::new(schema.ensure_object().clone())
}

fn null_branch(schema: &mut Schema) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    let kind = match members.get("type").and_then(Value::as_array).map(Vec::as_slice) {
        Some([kind, null] | [null, kind]) if null == "null" => kind.clone(),
        _ => return,
    };
    // Annotations for people stay outside; all other keywords apply to the value that is not null.
    let (mut outer, mut value) = (Map::new(), Map::from_iter([("type".to_owned(), kind)]));
    for (name, member) in std::mem::take(members) {
        match name.as_str() {
            "type" => {}
            "title" | "description" | "default" | "examples" | "deprecated" => {
                outer.insert(name, member);
            }
            _ => {
                value.insert(name, member);
            }
        }
    }
    outer.insert("anyOf".to_owned(), json!([value, { "type": "null" }]));
    *members = outer;
}

/// A time in a tool result, written as ISO 8601 in UTC and declared as `date-time` in the output schema.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_becomes_one_branch_for_its_value_and_one_for_null() {
        let schema = json!({
            "type": "object",
            "properties": {
                "at": { "description": "When.", "type": ["string", "null"], "format": "date-time" },
                "list": { "type": "array", "items": { "type": ["null", "integer"], "minimum": 0 } },
                "name": { "type": "string" },
                "either": { "type": ["string", "integer"] },
            },
        });
        let Value::Object(schema) = schema else {
            unreachable!()
        };
        assert_eq!(
            Value::Object(Arc::unwrap_or_clone(with_null_branches(Arc::new(schema)))),
            json!({
                "type": "object",
                "properties": {
                    "at": {
                        "description": "When.",
                        "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "null" }],
                    },
                    "list": {
                        "type": "array",
                        "items": { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "null" }] },
                    },
                    "name": { "type": "string" },
                    "either": { "type": ["string", "integer"] },
                },
            })
        );
    }
}
