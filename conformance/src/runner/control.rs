use super::{
    attempt::{Stop, Trial, describe},
    bench::Control,
    judge::Judge,
    plan::Plan,
};
use crate::{
    case::{Expectation, ExpectedAnswer, Step},
    profile::Profile,
};
use local_clerk::mint::{TokenKind, TokenSpec};

/// Where nothing is out of order.
#[derive(Clone, Copy)]
pub(super) enum Healthy<'a> {
    /// Where the case is tried.
    Here,
    /// On the target that cases share.
    Shared(&'a Judge<'a>, &'a Plan<'a>),
}

impl Trial<'_> {
    /// That a token is not accepted proves something only when it is without what was done to it, or to Clerk and the
    /// server: a server that refuses everybody is not safe but broken.
    pub(super) async fn check_control(&mut self, step: &Step, number: usize) -> Result<(), Stop> {
        let complete = |spec: &TokenSpec| self.bench.complete(spec);
        let Some((control, at_fault)) = control_of(step, &self.bench.profile, complete) else {
            return Ok(());
        };
        let outcome = if at_fault {
            self.control(&control).await?
        } else {
            match self.healthy {
                Healthy::Here => self.control(&control).await?,
                Healthy::Shared(judge, plan) => judge.control(plan, &control).await?,
            }
        };
        match outcome {
            Control::Accepted => Ok(()),
            Control::Refused(how) => Err(Stop::NotTestable(format!(
                "step {number}: a refusal proves nothing, for the same token without damage ({}) is refused too: {how}",
                describe(&control)
            ))),
        }
    }

    pub(super) async fn control(&mut self, spec: &TokenSpec) -> Result<Control, Stop> {
        let token = self.token(spec).await?;
        Ok(self.bench.control(&describe(spec), &token, &self.redactor).await)
    }
}

/// The token that must be accepted for the step to prove something; and whether the same server must accept it, for the
/// step's own token is at fault. Where something else is, such as Clerk, a setting or another header, only a server on
/// which all is well can say.
pub(super) fn control_of(
    step: &Step,
    profile: &Profile,
    complete: impl FnOnce(&TokenSpec) -> Result<TokenSpec, &'static str>,
) -> Option<(TokenSpec, bool)> {
    let spec = step
        .token
        .as_ref()
        .filter(|_| !expects_acceptance(&step.expect))?;
    let mut control = spec.undamaged();
    if control.kind == TokenKind::Any
        && let Ok(spec) = complete(spec)
    {
        control.kind = spec.kind;
    }
    let ordinary = control.kind == TokenKind::ImpersonationToken || profile.accepts.contains(&control.kind);
    if !ordinary {
        control = TokenSpec::of(TokenKind::Any);
    }
    let at_fault = !(ordinary && spec.is_undamaged())
        && matches!(
            step.expect.is,
            Some(ExpectedAnswer::Refused | ExpectedAnswer::InvalidToken)
        );
    Some((control, at_fault))
}

/// Whether only a server that takes the token can pass.
fn expects_acceptance(expect: &Expectation) -> bool {
    expect.is == Some(ExpectedAnswer::Accepted)
        || !expect.result.is_empty()
        || !expect.structured.is_empty()
        || expect.text.is_some()
        || expect.tool_failed.is_some()
}
