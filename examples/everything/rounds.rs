//! Tools that return questions: the client asks the user or the model, and calls again with the answers
//! (2026-07-28, "Multi Round-Trip Requests"). This needs no session, because the client carries all state
//! between the rounds.

use rmcp::{
    ErrorData, RoleServer,
    handler::server::tool::{InputResponses as Answers, RequestState},
    model::{
        CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock, InputRequests,
        InputRequiredResult, InputResponses,
    },
    service::RequestContext,
    tool, tool_router,
};
use serde_json::{Value, json};

use crate::Everything;

#[tool_router(router = rounds, vis = "pub(crate)")]
impl Everything {
    #[tool(
        name = "test_input_required_result_elicitation",
        description = "Asks for the user's name first."
    )]
    async fn needs_elicitation(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match content(answers.as_ref(), "user_name", "name").and_then(Value::as_str) {
            Some(name) => Ok(done(format!("Hello, {name}!"))),
            None => ask(
                json!({ "user_name": form("What is your name?", "name", "string") }),
                None,
            ),
        }
    }

    #[tool(
        name = "test_input_required_result_sampling",
        description = "Asks the client's model first."
    )]
    async fn needs_sampling(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match answer(answers.as_ref(), "capital_question").and_then(|answer| answer.pointer("/content/text"))
        {
            Some(text) => Ok(done(format!("The model says: {text}"))),
            None => ask(
                json!({ "capital_question": sampling("What is the capital of France?", 100) }),
                None,
            ),
        }
    }

    #[tool(
        name = "test_input_required_result_list_roots",
        description = "Asks for the client's roots first."
    )]
    async fn needs_roots(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match answer(answers.as_ref(), "client_roots").and_then(|answer| answer.get("roots")) {
            Some(roots) => Ok(done(format!("The roots are {roots}"))),
            None => ask(json!({ "client_roots": roots() }), None),
        }
    }

    #[tool(
        name = "test_input_required_result_request_state",
        description = "Asks for a confirmation, and requires its state back."
    )]
    async fn needs_state(
        &self,
        answers: Answers,
        state: RequestState,
    ) -> Result<CallToolResponse, ErrorData> {
        self.confirmed("test_input_required_result_request_state", &answers, &state)
    }

    #[tool(
        name = "test_input_required_result_tampered_state",
        description = "Asks for a confirmation, and rejects a state that it did not sign."
    )]
    async fn needs_untampered_state(
        &self,
        answers: Answers,
        state: RequestState,
    ) -> Result<CallToolResponse, ErrorData> {
        self.confirmed("test_input_required_result_tampered_state", &answers, &state)
    }

    #[tool(
        name = "test_input_required_result_multiple_inputs",
        description = "Asks for a name, a greeting and roots, all at once."
    )]
    async fn needs_multiple_inputs(
        &self,
        Answers(answers): Answers,
        RequestState(state): RequestState,
    ) -> Result<CallToolResponse, ErrorData> {
        const TOOL: &str = "test_input_required_result_multiple_inputs";
        let questions = json!({
            "user_name": form("What is your name?", "name", "string"),
            "greeting": sampling("Generate a greeting", 50),
            "client_roots": roots(),
        });
        let has_all = ["user_name", "greeting", "client_roots"]
            .iter()
            .all(|key| answer(answers.as_ref(), key).is_some());
        match state {
            Some(state) if has_all => {
                self.key.verify(TOOL, &state)?;
                Ok(done("All answers are there.".to_owned()))
            }
            Some(_) | None => ask(questions, Some(self.key.sign(TOOL, "asked")?)),
        }
    }

    #[tool(
        name = "test_input_required_result_multi_round",
        description = "Asks for a name, then for a color."
    )]
    async fn needs_two_rounds(
        &self,
        Answers(answers): Answers,
        RequestState(state): RequestState,
    ) -> Result<CallToolResponse, ErrorData> {
        const TOOL: &str = "test_input_required_result_multi_round";
        // The state carries the answer of the first round, because the client does not send it again in the
        // second.
        let known = state
            .map(|state| self.key.verify(TOOL, &state).map(str::to_owned))
            .transpose()?;
        let name = content(answers.as_ref(), "step1", "name").and_then(Value::as_str);
        let color = content(answers.as_ref(), "step2", "color").and_then(Value::as_str);
        match (known.as_deref(), name, color) {
            (Some("asked"), Some(name), _) => ask(
                json!({ "step2": form("Step 2: What is your favorite color?", "color", "string") }),
                Some(self.key.sign(TOOL, &format!("name {}", json!(name)))?),
            ),
            (Some(known), _, Some(color)) if known != "asked" => {
                Ok(done(format!("Known: {known}; favorite color: {color}")))
            }
            _ => ask(
                json!({ "step1": form("Step 1: What is your name?", "name", "string") }),
                Some(self.key.sign(TOOL, "asked")?),
            ),
        }
    }

    #[tool(
        name = "test_input_required_result_capabilities",
        description = "Asks for what the client's capabilities allow."
    )]
    async fn needs_capabilities(
        &self,
        Answers(answers): Answers,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let capabilities = context.client_capabilities().unwrap_or_default();
        if answers.is_some_and(|answers| !answers.is_empty()) {
            return Ok(done("Thank you.".to_owned()));
        }
        if capabilities.elicitation.is_some() {
            ask(
                json!({ "user_name": form("What is your name?", "name", "string") }),
                None,
            )
        } else if has_sampling(&capabilities) {
            ask(json!({ "greeting": sampling("Generate a greeting", 50) }), None)
        } else {
            Ok(done("The client has no capability to ask.".to_owned()))
        }
    }

    #[tool(
        name = "test_missing_capability",
        description = "Rejects clients without the sampling capability."
    )]
    #[expect(deprecated, reason = "sampling is deprecated, but still supported")]
    async fn missing_capability(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if has_sampling(&context.client_capabilities().unwrap_or_default()) {
            return Ok(done("The client offers a model.".to_owned()));
        }
        let needed = ClientCapabilities::builder().enable_sampling().build();
        Err(ErrorData::missing_required_client_capability(needed))
    }

    #[tool(
        name = "test_streaming_elicitation",
        description = "Asks for a confirmation in its result, never with a separate request."
    )]
    async fn streaming_elicitation(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match content(answers.as_ref(), "confirm", "ok") {
            Some(ok) => Ok(done(format!("Confirmed: {ok}"))),
            None => ask(
                json!({ "confirm": form("Please confirm", "ok", "boolean") }),
                None,
            ),
        }
    }

    fn confirmed(
        &self,
        tool: &str,
        Answers(answers): &Answers,
        RequestState(state): &RequestState,
    ) -> Result<CallToolResponse, ErrorData> {
        match (state, content(answers.as_ref(), "confirm", "ok")) {
            (Some(state), Some(ok)) => {
                self.key.verify(tool, state)?;
                Ok(done(format!("state-ok, confirmed: {ok}")))
            }
            _ => ask(
                json!({ "confirm": form("Please confirm", "ok", "boolean") }),
                Some(self.key.sign(tool, "asked")?),
            ),
        }
    }
}

/// Returns the final result.
fn done(text: String) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

/// Returns a result that asks these questions. The client sends `state` back with the answers.
fn ask(questions: Value, state: Option<String>) -> Result<CallToolResponse, ErrorData> {
    let questions: InputRequests = serde_json::from_value(questions)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(InputRequiredResult::new(Some(questions), state).into())
}

/// Builds a question for the user: a form with one field.
pub(crate) fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": schema },
    })
}

/// Builds a question for the client's model.
fn sampling(question: &str, max_tokens: u32) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": question } });
    json!({
        "method": "sampling/createMessage",
        "params": { "messages": [message], "maxTokens": max_tokens },
    })
}

/// Builds a request for the client's roots.
fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn answer<'a>(answers: Option<&'a InputResponses>, question: &str) -> Option<&'a Value> {
    answers?.get(question)
}

/// Returns a field of a form that the user has accepted.
pub(crate) fn content<'a>(
    answers: Option<&'a InputResponses>,
    question: &str,
    field: &str,
) -> Option<&'a Value> {
    answer(answers, question)
        .filter(|answer| answer.get("action").is_some_and(|action| action == "accept"))?
        .get("content")?
        .get(field)
}

fn has_sampling(capabilities: &ClientCapabilities) -> bool {
    capabilities.sampling.is_some()
}
