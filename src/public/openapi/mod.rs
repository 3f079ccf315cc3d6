//! Builds the OpenAPI document. poem-openapi describes the routes of [`operations`](super::operations), and
//! the files of this folder all others.

mod components;
mod mcp;
mod message_errors;
mod pages;
mod refusals;

use poem::http::StatusCode;
use poem_openapi::OpenApiService;
use rmcp::model::Tool;
use serde_json::{Map, Value, json};

use super::{PublicApi, PublicSettings, sample};
use crate::paths;

/// The OpenAPI document of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document(Value);

impl Document {
    #[expect(
        clippy::indexing_slicing,
        reason = "assigning to a missing member of a JSON value creates it"
    )]
    pub(super) fn new(service: &OpenApiService<PublicApi, ()>, settings: &PublicSettings) -> Self {
        let mut document: Value = serde_json::from_str(&service.spec()).unwrap_or_default();
        if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
            // The MCP endpoint is the most important route, so it comes first.
            paths.shift_insert(
                0,
                paths::MCP.to_owned(),
                json!({ "post": mcp::operation(settings) }),
            );
            paths.extend(pages::document_routes());
            paths[paths::START_PAGE]["get"] = pages::start_page_operation(&paths[paths::START_PAGE]["get"]);
        }
        if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
            tags.insert(
                0,
                json!({ "name": "MCP", "description": "The protected endpoint." }),
            );
        }
        if let Some(document) = document.as_object_mut() {
            let components = document.entry("components").or_insert_with(|| json!({}));
            components::add(components);
        }
        Self(document)
    }

    /// Adds examples for the `tools` of the server: a call of each, and the list of all.
    #[expect(
        clippy::indexing_slicing,
        reason = "the MCP operation has these members, and assigning to a missing one creates it"
    )]
    pub(super) fn with_tools(mut self, tools: &[Tool]) -> Self {
        let operation = &mut self.0["paths"][paths::MCP]["post"];
        let requests = &mut operation["requestBody"]["content"]["application/json"]["examples"];
        for tool in tools {
            requests[tool.name.as_ref()] = json!({
                "summary": format!("Call {}", tool.name),
                "description": tool.description,
                "value": {
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": { "name": tool.name, "arguments": sample::arguments(&tool.input_schema) },
                },
            });
        }
        if !tools.is_empty() {
            let results = &mut operation["responses"]["200"]["content"]["application/json"]["examples"];
            results["tools-list"] = json!({
                "summary": "The tools",
                "value": { "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } },
            });
        }
        self
    }

    /// Returns the document as indented JSON.
    pub(super) fn json(&self) -> String {
        format!("{:#}", self.0)
    }

    /// Returns the document as YAML.
    pub(super) fn yaml(&self) -> String {
        serde_norway::to_string(&self.0).unwrap_or_default()
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

/// Adds an example to the response with this `status`, whose body has the `schema` of that name. Returns the
/// response.
#[expect(
    clippy::indexing_slicing,
    reason = "a response has these members, and assigning to a missing one creates it"
)]
fn add_example<'a>(
    responses: &'a mut Map<String, Value>,
    status: StatusCode,
    schema: &str,
    name: &str,
    summary: &str,
    value: &Value,
) -> &'a mut Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
    let response = responses.entry(status.as_str()).or_insert_with(|| {
        json!({
            "description": status.canonical_reason(),
            "content": { "application/json": { "schema": schema, "examples": {} } },
        })
    });
    let content = &mut response["content"]["application/json"];
    let other = content["schema"].take();
    content["schema"] = if other == schema || other.get("oneOf").is_some() {
        other
    } else {
        json!({ "oneOf": [other, schema] })
    };
    content["examples"][name] = json!({ "summary": summary, "value": value });
    response
}
