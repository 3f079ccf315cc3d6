//! Prompts with text, arguments, a resource, an image, and one that asks the client first; and completion of
//! arguments.

use rmcp::{
    ErrorData,
    model::{
        CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, GetPromptResult, InputRequests, InputRequiredResult, Prompt, PromptArgument,
        PromptMessage, Role,
    },
};
use serde_json::{Value, json};

use crate::{
    answers::RED_PIXEL,
    rounds::{content, form},
};

pub(crate) fn list() -> Vec<Prompt> {
    let required = |name: &str, description: &str| {
        PromptArgument::new(name)
            .with_description(description)
            .with_required(true)
    };
    vec![
        Prompt::new("test_simple_prompt", Some("Plain text."), None),
        Prompt::new(
            "test_prompt_with_arguments",
            Some("Text with two arguments."),
            Some(vec![
                required("arg1", "First test argument"),
                required("arg2", "Second test argument"),
            ]),
        ),
        Prompt::new(
            "test_prompt_with_embedded_resource",
            Some("A resource, and an instruction to process it."),
            Some(vec![required("resourceUri", "URI of the resource to embed")]),
        ),
        Prompt::new(
            "test_prompt_with_image",
            Some("An image, and an instruction to analyze it."),
            None,
        ),
        Prompt::new(
            "test_input_required_result_prompt",
            Some("Asks for its context first (2026-07-28)."),
            None,
        ),
    ]
}

pub(crate) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (first, second) = (argument(request, "arg1")?, argument(request, "arg2")?);
            vec![text(&format!(
                "Prompt with arguments: arg1='{first}', arg2='{second}'"
            ))]
        }
        "test_prompt_with_embedded_resource" => {
            let uri = argument(request, "resourceUri")?;
            let resource = ContentBlock::embedded_text(uri, "Embedded resource content for testing.");
            vec![
                PromptMessage::new(Role::User, resource),
                text("Please process the embedded resource above."),
            ]
        }
        "test_prompt_with_image" => vec![
            PromptMessage::new(Role::User, ContentBlock::image(RED_PIXEL, "image/png")),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => {
            let answers = request.input_responses.as_ref();
            let Some(known) = content(answers, "user_context", "context").and_then(Value::as_str) else {
                let question = form("What context should the prompt use?", "context", "string");
                let questions: InputRequests = serde_json::from_value(json!({ "user_context": question }))
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                return Ok(InputRequiredResult::new(Some(questions), None).into());
            };
            vec![text(&format!("Use this context: {known}"))]
        }
        name => {
            return Err(ErrorData::invalid_params(
                "Prompt not found",
                Some(json!({ "name": name })),
            ));
        }
    };
    Ok(GetPromptResult::new(messages).into())
}

/// Completes the arguments of `test_prompt_with_arguments` with the [`WORDS`] that match.
pub(crate) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let matching = WORDS
        .iter()
        .filter(|word| word.starts_with(&request.argument.value))
        .map(|word| (*word).to_owned())
        .collect();
    CompletionInfo::with_all_values(matching)
        .map(CompleteResult::new)
        .map_err(|error| ErrorData::internal_error(error, None))
}

fn text(text: &str) -> PromptMessage {
    PromptMessage::new_text(Role::User, text)
}

fn argument<'a>(request: &'a GetPromptRequestParams, name: &str) -> Result<&'a str, ErrorData> {
    request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get(name)?.as_str())
        .ok_or_else(|| ErrorData::invalid_params("An argument is missing", Some(json!({ "argument": name }))))
}

const WORDS: [&str; 5] = ["paris", "park", "party", "test", "testament"];
