//! The MCP session of a message, if it needs one.

use http::StatusCode;

use super::{outcome::StepError, request::compose, running_target::TargetClient, values::Values};
use crate::{
    case::{ExpectedAnswer, Message, Request, Revision, Step},
    profile::Profile,
    wire::Answer,
};

/// Returns the MCP session ids for the requests of a step, to be repeated in this order: one for each user, because a
/// session belongs to the user who started it.
pub(super) async fn sessions_for(
    step: &Step,
    tokens: &[Option<String>],
    earlier_answers: &[Answer],
    profile: &Profile,
    values: &Values,
    client: &TargetClient,
) -> Result<Vec<Option<String>>, StepError> {
    let mut sessions = Vec::new();
    for index in 0..step.send.users.len().max(1) {
        let token = tokens.get(index).and_then(Option::as_deref);
        sessions.push(session_for(step, token, earlier_answers, profile, values, client).await?);
    }
    Ok(sessions)
}

/// Returns the MCP session id for a step: the id in an earlier answer, the id of a new session if the message
/// needs one, or none.
async fn session_for(
    step: &Step,
    token: Option<&str>,
    earlier_answers: &[Answer],
    profile: &Profile,
    values: &Values,
    client: &TargetClient,
) -> Result<Option<String>, StepError> {
    if let Some(earlier) = step.session_of_step {
        let answer = earlier
            .checked_sub(1)
            .and_then(|index| earlier_answers.get(index));
        return match answer.and_then(|answer| answer.header("mcp-session-id")) {
            Some(session) => Ok(Some(session)),
            None => Err(StepError::OutOfReach(
                "the target does not use MCP sessions".to_owned(),
            )),
        };
    }
    let is_needed = profile.sessions
        && token.is_some()
        && step.send.revision == Revision::Mcp20251125
        && !is_initialize(&step.send)
        && depends_on_session(step);
    if !is_needed {
        return Ok(None);
    }
    match start_session(token, values, client).await {
        Ok(session) => Ok(session),
        Err(error) => Err(StepError::NotTestable(format!(
            "cannot start an MCP session: {error}"
        ))),
    }
}

/// Initializes a session, as every client does first. Returns `None` if the server has no sessions or rejects
/// the token. In the second case it also rejects the request of the step.
async fn start_session(
    token: Option<&str>,
    values: &Values,
    client: &TargetClient,
) -> Result<Option<String>, String> {
    let initialize = compose(&Step::default(), token, None, values)?;
    let send = async |request| client.send(request).await.map_err(|error| error.to_string());
    let answer = send(&initialize).await?;
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status) {
        return Ok(None);
    }
    if answer.status != StatusCode::OK {
        return Err(format!("status {}", answer.status.as_u16()));
    }
    let session = answer.header("mcp-session-id");
    let mut step = Step::default();
    step.send.message = Some(Message::Initialized);
    send(&compose(&step, token, session.as_deref(), values)?).await?;
    Ok(session)
}

/// Returns whether the expected answer depends on more than the token. The server would reject such a message
/// if only its session were missing, which proves nothing about the case.
fn depends_on_session(step: &Step) -> bool {
    match step.expect.is {
        None
        | Some(
            ExpectedAnswer::Accepted
            | ExpectedAnswer::NotProcessed
            | ExpectedAnswer::InvalidRequest
            | ExpectedAnswer::Denied,
        ) => true,
        Some(
            ExpectedAnswer::Refused
            | ExpectedAnswer::Challenged
            | ExpectedAnswer::InvalidToken
            | ExpectedAnswer::InsufficientScope
            | ExpectedAnswer::Forbidden
            | ExpectedAnswer::Unavailable
            | ExpectedAnswer::Misconfigured,
        ) => false,
    }
}

/// Returns whether the message is `initialize`, or a changed one.
fn is_initialize(send: &Request) -> bool {
    match (send.message, &send.body) {
        _ if send.call.is_some() => false,
        (Some(message), _) => message == Message::Initialize,
        (None, Some(body)) => body.contains("initialize"),
        (None, None) => true,
    }
}
