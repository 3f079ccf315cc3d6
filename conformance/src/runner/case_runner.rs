//! Runs one case, on the shared target or one of its own, and turns the outcome into a result.

use super::{
    fixture::FixtureError,
    options::Options,
    outcome::{CaseOutcome, Failure},
    running_target::RunningTarget,
    shared_target::SharedTarget,
    startup::TargetStarter,
    trial::Trial,
};
use crate::{
    assertions::{describe_matcher, matches},
    case::{Case, Level, Section, StartExpectation},
    profile::Profile,
    results::{CaseResult, Finding, Outcome},
    spec::Reference,
    target::Ended,
};

pub(super) struct CaseRunner<'a> {
    pub(super) options: &'a Options,
    pub(super) shared: &'a SharedTarget<'a>,
    /// `None` when the target was already running.
    pub(super) starter: Option<&'a TargetStarter<'a>>,
}

impl CaseRunner<'_> {
    pub(super) async fn run(&self, section: &Section, case: &Case) -> CaseResult {
        let outcome = match not_applicable(case, &self.options.profile) {
            Some(reason) => CaseOutcome::OutOfReach(reason),
            None => self.outcome(case).await,
        };
        result(self.options, section, case, outcome)
    }

    async fn outcome(&self, case: &Case) -> CaseOutcome {
        if !case.needs_own_target() {
            return self.run_on_shared(case).await;
        }
        let Some(starter) = self.starter else {
            return CaseOutcome::OutOfReach(
                "the case must start the target itself: use --command".to_owned(),
            );
        };
        match &case.refuses_to_start {
            Some(expect) => expect_exit(starter, case, expect).await,
            None => self.run_on_own(starter, case).await,
        }
    }

    async fn run_on_shared(&self, case: &Case) -> CaseOutcome {
        if let Some(error) = self.shared.restart_error().await {
            return CaseOutcome::NotTestable(error);
        }
        let fixture = self.shared.current().await;
        let outcome = Trial::new(&fixture, None).run(case).await;
        let Some(starter) = self.starter else {
            return outcome;
        };
        let ended = ended_after(&outcome, &fixture.target).await;
        // Any of the cases that ran at the same time may have ended the target, so each is run again on its
        // own.
        if ended.is_none() || self.shared.restart(&fixture).await.is_err() {
            return outcome;
        }
        self.run_on_own(starter, case).await
    }

    async fn run_on_own(&self, starter: &TargetStarter<'_>, case: &Case) -> CaseOutcome {
        let fixture = match starter.start(Some(case)).await {
            Ok(fixture) => fixture,
            Err(error) => return no_fixture(&error),
        };
        let outcome = Trial::new(&fixture, Some(self.shared)).run(case).await;
        let ended = ended_after(&outcome, &fixture.target).await;
        fixture.target.stop().await;
        match ended {
            Some(ended) => target_ended(outcome, &ended),
            None => outcome,
        }
    }
}

/// Returns the result of a case with this outcome.
pub(super) fn result(options: &Options, section: &Section, case: &Case, outcome: CaseOutcome) -> CaseResult {
    let (outcome, reason, failure) = match outcome {
        CaseOutcome::Passed => (Outcome::Pass, None, Failure::default()),
        CaseOutcome::TargetEnded(failure) => (Outcome::Fail, None, failure),
        CaseOutcome::Failed(failure) => match case.level {
            Level::Must => (Outcome::Fail, None, failure),
            Level::Should => (Outcome::Warn, None, failure),
        },
        CaseOutcome::NotTestable(reason) => (Outcome::NotTestable, Some(reason), Failure::default()),
        CaseOutcome::OutOfReach(reason) => (Outcome::NotApplicable, Some(reason), Failure::default()),
    };
    CaseResult {
        id: case.id.clone(),
        section: section.clone(),
        requirement: case.requirement.clone(),
        level: case.level,
        references: case.refs.iter().filter_map(|key| Reference::find(key)).collect(),
        why: case.why.clone(),
        outcome,
        reason,
        findings: failure.findings,
        exchange: failure.exchange,
        cell: case.cell.clone(),
        known: None,
        rerun: format!("{} --only {}", options.rerun, case.id),
    }
}

/// Returns why the case does not apply to targets of this profile.
fn not_applicable(case: &Case, profile: &Profile) -> Option<String> {
    if !profile.covers_issuer_of(case) {
        return Some("the case is about Clerk, and the server accepts tokens of any issuer".to_owned());
    }
    if let Some(option) = case.needs.iter().find(|option| !profile.offers(option)) {
        return Some(format!("the profile does not offer {option:?}"));
    }
    let offered = case.unless.iter().find(|option| profile.offers(option));
    offered.map(|option| format!("the case is for targets that do not offer {option:?}"))
}

fn no_fixture(error: &FixtureError) -> CaseOutcome {
    match error {
        FixtureError::NoSetting(_) => CaseOutcome::OutOfReach(error.to_string()),
        FixtureError::Target(_)
        | FixtureError::NotReady { .. }
        | FixtureError::Clerk(_)
        | FixtureError::Setup(_) => CaseOutcome::NotTestable(error.to_string()),
    }
}

/// Returns how the target ended, if the case ended it.
async fn ended_after(outcome: &CaseOutcome, target: &RunningTarget) -> Option<Ended> {
    if *outcome == CaseOutcome::Passed {
        target.ended().await
    } else {
        target.ended_or_ending().await
    }
}

/// Returns the outcome of a case that ended the target: this finding first, then the others.
fn target_ended(outcome: CaseOutcome, ended: &Ended) -> CaseOutcome {
    let mut failure = match outcome {
        CaseOutcome::Failed(failure) | CaseOutcome::TargetEnded(failure) => failure,
        CaseOutcome::Passed | CaseOutcome::NotTestable(_) | CaseOutcome::OutOfReach(_) => Failure::default(),
    };
    let finding = Finding {
        step: failure.findings.first().map_or(1, |finding| finding.step),
        expected: "the target keeps running".to_owned(),
        actual: ended.to_string(),
    };
    failure.findings.insert(0, finding);
    CaseOutcome::TargetEnded(failure)
}

/// Starts a target that must exit.
async fn expect_exit(starter: &TargetStarter<'_>, case: &Case, expect: &StartExpectation) -> CaseOutcome {
    let ended = match starter.start_expecting_exit(case, &expect.without).await {
        Ok(ended) => ended,
        Err(error) => return no_fixture(&error),
    };
    let mut failure = Failure::default();
    let mut add = |expected: String, actual: &str| {
        failure.findings.push(Finding {
            step: 1,
            expected,
            actual: actual.to_owned(),
        });
    };
    let exit = format!("the target does not start and exits with {}", expect.exit);
    match ended {
        None => add(exit, "the target is running"),
        Some(ended) => {
            if ended.exit != Some(expect.exit) {
                add(exit, &ended.to_string());
            }
            for matcher in &expect.output {
                if !matches(matcher, &ended.output) {
                    add(format!("the output {}", describe_matcher(matcher)), &ended.output);
                }
            }
        }
    }
    if failure.findings.is_empty() {
        CaseOutcome::Passed
    } else {
        CaseOutcome::Failed(failure)
    }
}
