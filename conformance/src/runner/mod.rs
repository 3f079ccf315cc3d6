//! The runner: selects cases, runs them against a target and a local Clerk, and collects the results.
//!
//! Cases that change nothing share one target (`SharedTarget`). A case that changes Clerk, or needs settings,
//! gets a target and a Clerk of its own. A case that cannot be run has a result too, with the reason. It
//! never passes.
//!
//! [`run`] creates a `CaseRunner`, which gives each case a `Fixture`: from `startup`, which starts a target
//! in the environment that `environment` prepares, or from `already_running`. A `Trial` sends the steps of
//! the case to it.

mod already_running;
mod case_runner;
mod clerk_admin;
mod controls;
mod environment;
mod error;
mod findings;
mod fixture;
mod options;
mod outcome;
mod pause;
mod preview;
mod request;
mod running_target;
mod selection;
mod session;
mod shared_target;
mod startup;
mod tokens;
mod trial;
mod values;

use std::cmp::Reverse;

use futures_util::{StreamExt as _, stream};

use self::{
    case_runner::{CaseRunner, result},
    findings::finding,
    outcome::{CaseOutcome, Failure},
    pause::total_pause,
    shared_target::SharedTarget,
    startup::TargetStarter,
};
pub(crate) use self::{
    controls::Control,
    preview::{control_for, request_as_text, step_for, token_for},
    request::initialize,
};
pub use self::{
    error::RunError,
    options::{Options, TargetOptions},
    preview::recipe_for,
    selection::{Selection, SelectionError},
    tokens::SuppliedToken,
};
use crate::{
    assertions::Difference,
    case::{Case, Catalog, Section},
    redact::Redactor,
    results::{CaseResult, Outcome, Results, Suite, Target},
    target::PrintedSecrets,
    wire::Trust,
};

/// Observes the progress of a run.
pub trait Progress: Sync {
    /// Called once, with the number of selected cases.
    fn started(&self, cases: usize);
    /// Called for each case that has a result.
    fn finished(&self, id: &str, outcome: Outcome);
}

/// Ignores the progress.
impl Progress for () {
    fn started(&self, _: usize) {}
    fn finished(&self, _: &str, _: Outcome) {}
}

/// Runs the selected cases, and the cells of the profile's policy. The results contain no secrets.
///
/// # Errors
///
/// [`RunError`], when the selection is invalid, or the target cannot be tested or ends for good.
pub async fn run(
    catalog: &Catalog,
    options: &Options,
    progress: &impl Progress,
) -> Result<Results, RunError> {
    let redactor = options.redactor();
    let catalog = &catalog.with_policy(&options.profile);
    match run_unredacted(catalog, options, progress, &redactor).await {
        Ok(mut results) => {
            redactor.redact_results(&mut results);
            Ok(results)
        }
        Err(error) => Err(error.redacted(&redactor)),
    }
}

async fn run_unredacted(
    catalog: &Catalog,
    options: &Options,
    progress: &impl Progress,
    redactor: &Redactor,
) -> Result<Results, RunError> {
    let selected = options.selection.apply(catalog, Some(&options.profile))?;
    let trust = Trust::new(options.authority.as_deref()).map_err(RunError::target)?;
    let starter = TargetStarter::new(options, &trust, redactor);
    let fixture = match &starter {
        Some(starter) => starter.start(None).await.map_err(RunError::target)?,
        None => already_running::connect(options, &trust, redactor).await?,
    };
    let shared = SharedTarget::new(fixture, starter.as_ref());
    let runner = CaseRunner {
        options,
        shared: &shared,
        starter: starter.as_ref(),
    };
    progress.started(selected.len());
    let mut cases = run_cases(&runner, selected, progress).await;
    let good_token_refused = shared.finish().await?;
    let printed = starter.as_ref().map(|starter| &starter.printed);
    if let Some(failure) = printed.and_then(|printed| secrets_failure(printed, redactor))
        && let Some((section, case)) = catalog.find(OUTPUT_CASE)
    {
        // The output of every target of the run counts, so the case fails even if it was not selected.
        cases.retain(|result| result.id != case.id);
        cases.push(result(options, section, case, CaseOutcome::Failed(failure)));
    }
    cases.sort_by(|one, other| (one.section.number, &one.id).cmp(&(other.section.number, &other.id)));
    let stale_entries = match &options.baseline {
        Some(baseline) => baseline.apply(&mut cases, catalog.ids()),
        None => Vec::new(),
    };
    Ok(Results {
        suite: Suite {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cases: catalog
                .iter()
                .filter(|(_, case)| options.profile.covers(case))
                .count(),
        },
        target: Target {
            profile: options.profile.name.clone(),
            address: options.target.address(),
            reach: options.target.reach(),
        },
        timing: None,
        good_token_refused,
        cases,
        baseline: stale_entries,
    })
}

/// The case that fails if a target printed a secret.
const OUTPUT_CASE: &str = "web.output-without-secrets";

/// Returns the failure of that case, if a target printed a secret.
fn secrets_failure(printed: &PrintedSecrets, redactor: &Redactor) -> Option<Failure> {
    let findings = |lines: &[String], expected: &str| {
        let differences = lines.iter().map(|line| Difference {
            expected: expected.to_owned(),
            actual: line.clone(),
        });
        let findings = differences.map(|difference| finding(1, &difference, redactor));
        findings.collect::<Vec<_>>()
    };
    let lines = printed.lines();
    let findings = [
        findings(&lines.with_keys, "no secret key or private key in the output"),
        findings(&lines.with_tokens, "no token in the output"),
    ]
    .concat();
    (!findings.is_empty()).then_some(Failure {
        findings,
        exchange: None,
    })
}

/// Runs the cases in parallel, those that pause beside the others.
async fn run_cases(
    runner: &CaseRunner<'_>,
    selected: Vec<(&Section, &Case)>,
    progress: &impl Progress,
) -> Vec<CaseResult> {
    let Options { profile, jobs, .. } = runner.options;
    let (mut pausing, others): (Vec<_>, Vec<_>) = selected
        .into_iter()
        .partition(|(_, case)| !total_pause(case, profile).is_zero());
    pausing.sort_by_key(|(_, case)| Reverse(total_pause(case, profile)));
    let run_all = |cases: Vec<(_, _)>| {
        stream::iter(cases)
            .map(move |(section, case)| async move {
                let result = runner.run(section, case).await;
                progress.finished(&result.id, result.outcome);
                result
            })
            .buffer_unordered((*jobs).max(1))
    };
    if *jobs > 1 {
        // Cases that pause need no processor, so they run in addition to the others.
        stream::select(run_all(pausing), run_all(others)).collect().await
    } else {
        run_all(others).chain(run_all(pausing)).collect().await
    }
}
