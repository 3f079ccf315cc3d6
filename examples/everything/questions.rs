//! Tools that ask their client while they run, which works for clients of 2025-11-25 and older in a session.

use std::fmt::Display;

#[expect(deprecated, reason = "clients of 2025-11-25 still offer a model")]
use rmcp::model::{CreateMessageRequestParams, SamplingMessage};
use rmcp::{
    ErrorData, RoleServer, handler::server::wrapper::Parameters, model::ElicitRequestParams,
    service::RequestContext, tool, tool_router,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Everything;

/// Input of `test_sampling`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SamplingInput {
    /// What to ask the model.
    prompt: String,
}

/// Input of `test_elicitation`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ElicitationInput {
    /// What to say to the user.
    message: String,
}

#[tool_router(router = questions, vis = "pub(crate)")]
impl Everything {
    #[tool(name = "test_sampling", description = "Asks the client's model (2025-11-25).")]
    #[expect(deprecated, reason = "clients of 2025-11-25 still offer a model")]
    async fn sampling(
        &self,
        Parameters(SamplingInput { prompt }): Parameters<SamplingInput>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let request = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
        let answer = context
            .peer
            .create_message(request)
            .await
            .map_err(failed_to_ask)?;
        Ok(format!("LLM response: {}", json!(answer.message.content)))
    }

    #[tool(name = "test_elicitation", description = "Asks the user (2025-11-25).")]
    async fn elicitation(
        &self,
        Parameters(ElicitationInput { message }): Parameters<ElicitationInput>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let form = json!({
            "type": "object",
            "properties": {
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            },
            "required": ["username", "email"],
        });
        Ok(format!(
            "User response: {}",
            ask(&context, &message, &form).await?
        ))
    }

    #[tool(
        name = "test_elicitation_sep1034_defaults",
        description = "Asks the user, with defaults of every type (2025-11-25)."
    )]
    async fn elicitation_defaults(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let form = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "default": true },
            },
        });
        let answer = ask(&context, "Please review the defaults", &form).await?;
        Ok(format!("Elicitation completed: {answer}"))
    }

    #[tool(
        name = "test_elicitation_sep1330_enums",
        description = "Asks the user to choose, in every form (2025-11-25)."
    )]
    async fn elicitation_enums(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let titled = |word: &str| {
            json!([
                { "const": "value1", "title": format!("First {word}") },
                { "const": "value2", "title": format!("Second {word}") },
                { "const": "value3", "title": format!("Third {word}") },
            ])
        };
        let plain = json!(["option1", "option2", "option3"]);
        let form = json!({
            "type": "object",
            "properties": {
                "untitledSingle": { "type": "string", "enum": plain },
                "titledSingle": { "type": "string", "oneOf": titled("Option") },
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
                "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
            },
        });
        let answer = ask(&context, "Please choose", &form).await?;
        Ok(format!("Elicitation completed: {answer}"))
    }
}

/// Shows the user a form, and describes their answer.
async fn ask(context: &RequestContext<RoleServer>, message: &str, form: &Value) -> Result<String, ErrorData> {
    let question: ElicitRequestParams =
        serde_json::from_value(json!({ "mode": "form", "message": message, "requestedSchema": form }))
            .map_err(failed_to_ask)?;
    let answer = context
        .peer
        .create_elicitation(question)
        .await
        .map_err(failed_to_ask)?;
    Ok(format!(
        "action={}, content={}",
        json!(answer.action).as_str().unwrap_or_default(),
        json!(answer.content)
    ))
}

fn failed_to_ask(error: impl Display) -> ErrorData {
    ErrorData::internal_error(format!("Failed to ask the client: {error}"), None)
}
