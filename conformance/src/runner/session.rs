use http::StatusCode;

use super::{
    attempt::{Stop, Trial},
    request::compose,
};
use crate::case::{ExpectedAnswer, Message, Request, Revision, Step};

impl Trial<'_> {
    /// The MCP session for a message that needs one.
    pub(super) async fn session(&self, step: &Step, token: Option<&str>) -> Result<Option<String>, Stop> {
        if let Some(earlier) = step.session_of_step {
            let answer = earlier.checked_sub(1).and_then(|index| self.answers.get(index));
            let session = answer.and_then(|answer| answer.header("mcp-session-id"));
            return match session {
                Some(session) => Ok(Some(session)),
                None => Err(Stop::OutOfReach("the target has no sessions".to_owned())),
            };
        }
        let needed = self.bench.profile.sessions
            && token.is_some()
            && step.send.revision == Revision::Mcp20251125
            && !starts_session(&step.send)
            && looks_past_the_token(step);
        if !needed {
            return Ok(None);
        }
        let outgoing =
            compose(&Step::default(), token, None, &self.bench.values).map_err(Stop::NotTestable)?;
        let failed = |how: String| Stop::NotTestable(format!("a session cannot be started: {how}"));
        let answer = self
            .bench
            .send(&outgoing)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(failed(format!("status {}", answer.status.as_u16())));
        }
        let session = answer.header("mcp-session-id");
        let mut ready = Step::default();
        ready.send.message = Some(Message::Initialized);
        let outgoing =
            compose(&ready, token, session.as_deref(), &self.bench.values).map_err(Stop::NotTestable)?;
        self.bench
            .send(&outgoing)
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(session)
    }
}

/// Whether the answer is about more than the token. Without its session such a message would be refused for that
/// alone, which says nothing of what the case is about.
fn looks_past_the_token(step: &Step) -> bool {
    match step.expect.is {
        None
        | Some(ExpectedAnswer::Accepted | ExpectedAnswer::NotProcessed | ExpectedAnswer::InvalidRequest) => {
            true
        }
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

/// Whether it is `initialize`, or made of it.
fn starts_session(send: &Request) -> bool {
    match (send.message, &send.body) {
        _ if send.call.is_some() => false,
        (Some(message), _) => message == Message::Initialize,
        (None, Some(body)) => body.contains("initialize"),
        (None, None) => true,
    }
}
