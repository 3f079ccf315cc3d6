//! Controls: the tokens that a target must accept before the rejection of another token proves anything. A
//! server that rejects every request is broken, not secure.

use std::collections::BTreeMap;

use local_clerk::mint::{TokenKind, TokenSpec};
use parking_lot::Mutex;

use super::{request::compose, running_target::RunningTarget, values::Values};
use crate::{
    assertions,
    case::{Expectation, ExpectedAnswer, OneOrMany, Step},
    profile::Profile,
    wire::WireError,
};

/// The token that must be accepted before a step's rejection counts.
pub(crate) struct Control {
    /// The token of the step without its damage, or another ordinary token.
    pub(crate) spec: TokenSpec,
    /// Whether the step's own target must accept the control, because only the step's token is at fault.
    /// Otherwise something else is, such as Clerk, a setting or another header, and a target without that
    /// fault must accept it.
    pub(crate) on_same_target: bool,
}

impl Control {
    /// Returns the control of a step that expects a rejection. `any_kind` is the token kind if any will do.
    pub(super) fn of(step: &Step, any_kind: Option<TokenKind>, profile: &Profile) -> Option<Self> {
        let spec = step.token.as_ref()?;
        if expects_acceptance(&step.expect) {
            return None;
        }
        let mut control = spec.undamaged();
        if allows_acceptance(&step.expect) {
            // The server may require the scopes that this token lacks.
            control.scopes = None;
        }
        if let (TokenKind::Any, Some(kind)) = (control.kind, any_kind) {
            control.kind = kind;
        }
        let is_ordinary =
            control.kind == TokenKind::ImpersonationToken || profile.accepts.contains(&control.kind);
        if !is_ordinary {
            control = TokenSpec::of(TokenKind::Any);
        }
        let token_is_at_fault = !(is_ordinary && spec.is_undamaged());
        Some(Self {
            spec: control,
            on_same_target: token_is_at_fault
                && matches!(
                    step.expect.is,
                    Some(ExpectedAnswer::Refused | ExpectedAnswer::InvalidToken)
                ),
        })
    }
}

/// Returns whether only a server that accepts the token can meet the expectation.
fn expects_acceptance(expect: &Expectation) -> bool {
    expect.is == Some(ExpectedAnswer::Accepted)
        || !expect.result.is_empty()
        || !expect.structured.is_empty()
        || expect.text.is_some()
        || expect.tool_failed.is_some()
}

/// Returns whether a server may also accept the token.
fn allows_acceptance(expect: &Expectation) -> bool {
    let statuses = expect.status.as_ref().map(OneOrMany::as_slice);
    expect.is.is_none() && statuses.is_some_and(|statuses| statuses.contains(&200))
}

/// What a target answered to a control.
#[derive(Clone, Debug)]
pub(super) enum ControlOutcome {
    Accepted,
    Rejected(String),
}

/// The outcomes of the controls that one target has answered, by recipe.
#[derive(Default)]
pub(super) struct ControlOutcomes(Mutex<BTreeMap<String, ControlOutcome>>);

impl ControlOutcomes {
    /// Returns the known outcome for the recipe, or sends the control.
    pub(super) async fn get(
        &self,
        recipe: String,
        token: &str,
        target: &RunningTarget,
        values: &Values,
    ) -> ControlOutcome {
        let known = self.0.lock().get(&recipe).cloned();
        if let Some(outcome) = known {
            return outcome;
        }
        let answer = match compose(&Step::default(), Some(token), None, values) {
            Ok(request) => target.client.send(&request).await,
            Err(error) => Err(WireError::Request(error)),
        };
        let outcome = match answer {
            Ok(answer) if assertions::is_accepted(&answer) => ControlOutcome::Accepted,
            Ok(answer) => {
                let mut summary = assertions::summary(&answer);
                if target.bypasses_proxy() {
                    summary +=
                        "; the target sent no request through the proxy: check that it honors HTTPS_PROXY";
                }
                ControlOutcome::Rejected(summary)
            }
            // Not remembered: it says nothing about the token, and the next request may be answered.
            Err(error) => return ControlOutcome::Rejected(error.to_string()),
        };
        self.0.lock().insert(recipe, outcome.clone());
        outcome
    }

    /// Returns the first rejection if the target rejected every control.
    pub(super) fn first_if_all_rejected(&self) -> Option<String> {
        let outcomes = self.0.lock();
        let mut rejections = outcomes.iter().map(|(recipe, outcome)| match outcome {
            ControlOutcome::Accepted => None,
            ControlOutcome::Rejected(how) => Some(format!("{recipe}: {how}")),
        });
        let first = rejections.next()??;
        rejections.all(|rejection| rejection.is_some()).then_some(first)
    }
}
