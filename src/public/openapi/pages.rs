//! The operations of the start page, and of the documentation itself.

use serde_json::{Map, Value, json};

use crate::paths;

/// Returns the operation of the start page. poem-openapi describes one response per status, but the page has
/// two forms, and OpenAPI ignores parameters that are named `Accept`.
#[expect(
    clippy::indexing_slicing,
    reason = "assigning to a missing member of a JSON value creates it"
)]
pub(super) fn start_page_operation(generated: &Value) -> Value {
    let mut operation = generated.clone();
    let json = generated["responses"]["200"]["content"].clone();
    operation["responses"]["200"] = json!({
        "description": "The start page: HTML, or JSON if `Accept` names `application/json` and not `text/html`.",
        "content": { "text/html; charset=utf-8": { "schema": { "type": "string" } } },
    });
    if let (Some(content), Value::Object(json)) =
        (operation["responses"]["200"]["content"].as_object_mut(), json)
    {
        content.extend(json);
    }
    if let Some(operation) = operation.as_object_mut() {
        operation.shift_remove("parameters");
    }
    operation
}

/// Returns the operations that serve the document itself.
pub(super) fn document_routes() -> Map<String, Value> {
    let route = |id: &str, summary: &str, media_type: &str| {
        let responses = json!({ "200": { "description": summary, "content": { media_type: {} } } });
        json!({ "get": { "tags": ["Pages"], "operationId": id, "summary": summary, "responses": responses } })
    };
    Map::from_iter([
        (
            paths::DOCS.to_owned(),
            route("docs", "API documentation (Swagger UI)", "text/html"),
        ),
        (
            paths::OPENAPI_JSON.to_owned(),
            route("openapiJson", "OpenAPI document as JSON", "application/json"),
        ),
        (
            paths::OPENAPI_YAML.to_owned(),
            route("openapiYaml", "OpenAPI document as YAML", "application/yaml"),
        ),
    ])
}
