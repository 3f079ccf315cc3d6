//! Tools that need an answer first, and say so in their result: the client asks, and calls again with the answers (2026-07-28,
//! "Multi Round-Trip Requests"). No session, and nothing is kept between the rounds but what the client carries.

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
        description = "Needs the user's name first."
    )]
    async fn needs_elicitation(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match content(answers.as_ref(), "user_name", "name").and_then(Value::as_str) {
            Some(name) => Ok(done(format!("Hello, {name}!"))),
            None => needs(
                json!({ "user_name": form("What is your name?", "name", "string") }),
                None,
            ),
        }
    }

    #[tool(
        name = "test_input_required_result_sampling",
        description = "Needs the client's model first."
    )]
    async fn needs_sampling(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match answer(answers.as_ref(), "capital_question").and_then(|answer| answer.pointer("/content/text"))
        {
            Some(text) => Ok(done(format!("The model says: {text}"))),
            None => needs(
                json!({ "capital_question": sampling("What is the capital of France?", 100) }),
                None,
            ),
        }
    }

    #[tool(
        name = "test_input_required_result_list_roots",
        description = "Needs the client's roots first."
    )]
    async fn needs_roots(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match answer(answers.as_ref(), "client_roots").and_then(|answer| answer.get("roots")) {
            Some(roots) => Ok(done(format!("The roots are {roots}"))),
            None => needs(json!({ "client_roots": roots() }), None),
        }
    }

    #[tool(
        name = "test_input_required_result_request_state",
        description = "Needs a confirmation, and that its state comes back."
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
        description = "Needs a confirmation, and refuses state that isn't its own."
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
        description = "Needs a name, a greeting and roots, all at once."
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
                self.key.open(TOOL, &state)?;
                Ok(done("All answers are there.".to_owned()))
            }
            Some(_) | None => needs(questions, Some(self.key.seal(TOOL, "asked")?)),
        }
    }

    #[tool(
        name = "test_input_required_result_multi_round",
        description = "Needs a name, then a color."
    )]
    async fn needs_two_rounds(
        &self,
        Answers(answers): Answers,
        RequestState(state): RequestState,
    ) -> Result<CallToolResponse, ErrorData> {
        const TOOL: &str = "test_input_required_result_multi_round";
        // What was answered in the first round is carried on in the state, for the second doesn't repeat it.
        let known = state
            .map(|state| self.key.open(TOOL, &state).map(str::to_owned))
            .transpose()?;
        let name = content(answers.as_ref(), "step1", "name").and_then(Value::as_str);
        let color = content(answers.as_ref(), "step2", "color").and_then(Value::as_str);
        match (known.as_deref(), name, color) {
            (Some("asked"), Some(name), _) => needs(
                json!({ "step2": form("Step 2: What is your favorite color?", "color", "string") }),
                Some(self.key.seal(TOOL, &format!("name {}", json!(name)))?),
            ),
            (Some(known), _, Some(color)) if known != "asked" => {
                Ok(done(format!("Known: {known}; favorite color: {color}")))
            }
            _ => needs(
                json!({ "step1": form("Step 1: What is your name?", "name", "string") }),
                Some(self.key.seal(TOOL, "asked")?),
            ),
        }
    }

    #[tool(
        name = "test_input_required_result_capabilities",
        description = "Needs what the client is able to give."
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
            needs(
                json!({ "user_name": form("What is your name?", "name", "string") }),
                None,
            )
        } else if has_sampling(&capabilities) {
            needs(json!({ "greeting": sampling("Generate a greeting", 50) }), None)
        } else {
            Ok(done("There's nobody to ask.".to_owned()))
        }
    }

    #[tool(
        name = "test_missing_capability",
        description = "Refuses clients that offer no model."
    )]
    #[expect(deprecated, reason = "sampling is on its way out, and still there")]
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
        description = "Needs a confirmation, and asks in its result, never beside it."
    )]
    async fn streaming_elicitation(&self, Answers(answers): Answers) -> Result<CallToolResponse, ErrorData> {
        match content(answers.as_ref(), "confirm", "ok") {
            Some(ok) => Ok(done(format!("Confirmed: {ok}"))),
            None => needs(
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
                self.key.open(tool, state)?;
                Ok(done(format!("state-ok, confirmed: {ok}")))
            }
            _ => needs(
                json!({ "confirm": form("Please confirm", "ok", "boolean") }),
                Some(self.key.seal(tool, "asked")?),
            ),
        }
    }
}

/// The tool is done.
fn done(text: String) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

/// The tool needs answers to these questions first; `state` comes back with them.
fn needs(questions: Value, state: Option<String>) -> Result<CallToolResponse, ErrorData> {
    let questions: InputRequests = serde_json::from_value(questions)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(InputRequiredResult::new(Some(questions), state).into())
}

/// A form with one field, for the user.
pub(crate) fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": schema },
    })
}

/// A question for the client's model.
fn sampling(question: &str, max_tokens: u32) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": question } });
    json!({
        "method": "sampling/createMessage",
        "params": { "messages": [message], "maxTokens": max_tokens },
    })
}

/// A question for the client's roots.
fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn answer<'a>(answers: Option<&'a InputResponses>, question: &str) -> Option<&'a Value> {
    answers?.get(question)
}

/// A field of a form that the user has filled in.
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
