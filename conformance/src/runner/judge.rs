use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    Options, Trouble,
    attempt::{Attempt, Stop, Trial},
    bench::{Bench, BenchError, Control},
    control::Healthy,
    plan::Plan,
};
use crate::{
    assertions,
    case::{Case, Level, StartExpectation},
    redact::Redactor,
    results::{CaseResult, Finding, Outcome, Section},
    spec::Reference,
    target::Ended,
};
use local_clerk::mint::TokenSpec;

/// How long a target may take to be gone, once nobody answers there.
const DYING: Duration = Duration::from_secs(1);

/// What cases are tried with.
pub(super) struct Judge<'a> {
    options: &'a Options,
    plan: Option<&'a Plan<'a>>,
    shared: Mutex<Arc<Bench>>,
    /// Why the shared target, which ended, could not be started again.
    lost: Mutex<Option<String>>,
    /// What is secret in every run with these options.
    redactor: &'a Redactor,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        options: &'a Options,
        plan: Option<&'a Plan<'a>>,
        shared: Bench,
        redactor: &'a Redactor,
    ) -> Self {
        Self {
            options,
            plan,
            shared: Mutex::new(Arc::new(shared)),
            lost: Mutex::default(),
            redactor,
        }
    }

    /// Stops the shared target, and returns what it made of good tokens if it took none.
    ///
    /// # Errors
    /// [`Trouble`], when it had ended and nobody knows why, or does not start again.
    pub(super) async fn finish(self) -> Result<Option<String>, Trouble> {
        let shared = self.shared.into_inner();
        let ended = shared.ended().await.map(|ended| shared.shown(&ended));
        let refused = shared.good_token_refused();
        if let Some(shared) = Arc::into_inner(shared) {
            shared.stop().await;
        }
        match (self.lost.into_inner(), ended) {
            (Some(reason), _) => Err(Trouble::Died(format!(" and does not start again: {reason}"))),
            (None, Some(ended)) => Err(Trouble::Died(format!(": {ended}"))),
            (None, None) => Ok(refused),
        }
    }

    pub(super) async fn judge(&self, section: &Section, case: &Case) -> CaseResult {
        let attempt = match self.not_offered(case) {
            Some(reason) => Attempt::OutOfReach(reason),
            None => self.attempt(case).await,
        };
        let (outcome, reason, findings, exchange) = match attempt {
            Attempt::Passed => (Outcome::Pass, None, Vec::new(), None),
            Attempt::Died(findings, exchange) => (Outcome::Fail, None, findings, exchange),
            Attempt::Differs(findings, exchange) => match case.level {
                Level::Must => (Outcome::Fail, None, findings, exchange),
                Level::Should => (Outcome::Warn, None, findings, exchange),
            },
            Attempt::NotTestable(reason) => (
                Outcome::NotTestable,
                Some(self.redactor.clean(&reason)),
                Vec::new(),
                None,
            ),
            Attempt::OutOfReach(reason) => (Outcome::NotApplicable, Some(reason), Vec::new(), None),
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
            findings,
            exchange,
            known: None,
            rerun: format!("{} --only {}", self.options.rerun, case.id),
        }
    }

    /// Why the case does not apply to this profile.
    fn not_offered(&self, case: &Case) -> Option<String> {
        let profile = &self.options.profile;
        if let Some(option) = case.needs.iter().find(|option| !profile.offers(option)) {
            return Some(format!("the profile does not offer {option:?}"));
        }
        let offered = case.unless.iter().find(|option| profile.offers(option));
        offered.map(|option| format!("it is for targets that do not offer {option:?}"))
    }

    async fn attempt(&self, case: &Case) -> Attempt {
        if !case.needs_own_target() {
            return self.attempt_on_shared(case).await;
        }
        let Some(plan) = self.plan else {
            return Attempt::OutOfReach("it needs to start the target: use --command".to_owned());
        };
        match &case.refuses_to_start {
            Some(expected) => start_in_vain(plan, case, expected, self.redactor).await,
            None => attempt_alone(plan, case, Healthy::Shared(self, plan)).await,
        }
    }

    async fn attempt_on_shared(&self, case: &Case) -> Attempt {
        if let Some(reason) = &*self.lost.lock().await {
            return Attempt::NotTestable(reason.clone());
        }
        let shared = Arc::clone(&*self.shared.lock().await);
        let attempt = Trial::new(&shared, Healthy::Here).run(case).await;
        let Some(plan) = self.plan else {
            return attempt;
        };
        let gone = if attempt == Attempt::Passed {
            shared.ended().await.is_some()
        } else {
            is_gone(&shared).await
        };
        if !gone {
            return attempt;
        }
        // Whichever of the cases that were tried at the same time ended it: each is tried again, on its own.
        if let Err(error) = self.replace(&shared, plan).await {
            self.lost.lock().await.get_or_insert_with(|| error.to_string());
            return attempt;
        }
        attempt_alone(plan, case, Healthy::Shared(self, plan)).await
    }

    /// Whether the shared target, which no case changes, takes this token. Another case may just be ending it.
    pub(super) async fn control(&self, plan: &Plan<'_>, spec: &TokenSpec) -> Result<Control, Stop> {
        let mut tries = 3;
        loop {
            let shared = self.healthy(plan).await;
            let outcome = Trial::new(&shared, Healthy::Here).control(spec).await?;
            tries -= 1;
            if matches!(outcome, Control::Accepted) || tries == 0 || !is_gone(&shared).await {
                return Ok(outcome);
            }
        }
    }

    /// The shared target, once it is there again if it has ended.
    async fn healthy(&self, plan: &Plan<'_>) -> Arc<Bench> {
        let shared = Arc::clone(&*self.shared.lock().await);
        if shared.ended().await.is_none() || self.replace(&shared, plan).await.is_err() {
            return shared;
        }
        Arc::clone(&*self.shared.lock().await)
    }

    /// Starts the shared target again, unless somebody has.
    async fn replace(&self, gone: &Arc<Bench>, plan: &Plan<'_>) -> Result<(), BenchError> {
        let mut shared = self.shared.lock().await;
        if Arc::ptr_eq(&shared, gone) {
            *shared = Arc::new(plan.start(None).await?);
        }
        Ok(())
    }
}

/// Whether the target has ended. Its connections break a moment before that can be seen.
async fn is_gone(bench: &Bench) -> bool {
    if bench.ended().await.is_some() {
        return true;
    }
    if bench.knock().await.is_ok() {
        return false;
    }
    let deadline = Instant::now() + DYING;
    while Instant::now() < deadline {
        if bench.ended().await.is_some() {
            return true;
        }
        // Nothing tells when another program is gone but asking.
        sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Tries a case on a bench of its own.
async fn attempt_alone(plan: &Plan<'_>, case: &Case, healthy: Healthy<'_>) -> Attempt {
    let bench = match plan.start(Some(case)).await {
        Ok(bench) => bench,
        Err(BenchError::NoSetting(setting)) => {
            return Attempt::OutOfReach(format!("the profile maps no setting {setting:?}"));
        }
        Err(error) => return Attempt::NotTestable(error.to_string()),
    };
    let attempt = Trial::new(&bench, healthy).run(case).await;
    let ended = if attempt == Attempt::Passed || is_gone(&bench).await {
        bench.ended().await.map(|ended| bench.shown(&ended))
    } else {
        None
    };
    bench.stop().await;
    match ended {
        Some(ended) => died(attempt, &ended),
        None => attempt,
    }
}

/// What came of a case that ended the target: this first, then what else was wrong.
fn died(attempt: Attempt, ended: &Ended) -> Attempt {
    let (others, exchange) = match attempt {
        Attempt::Differs(findings, exchange) | Attempt::Died(findings, exchange) => (findings, exchange),
        Attempt::Passed | Attempt::NotTestable(_) | Attempt::OutOfReach(_) => (Vec::new(), None),
    };
    let mut findings = vec![Finding {
        step: others.first().map_or(1, |other| other.step),
        expected: "the target runs on".to_owned(),
        actual: ended.to_string(),
    }];
    findings.extend(others);
    Attempt::Died(findings, exchange)
}

/// A target that must not start.
async fn start_in_vain(
    plan: &Plan<'_>,
    case: &Case,
    expected: &StartExpectation,
    redactor: &Redactor,
) -> Attempt {
    let ended = match plan.start_in_vain(case, &expected.without).await {
        Ok(ended) => ended,
        Err(BenchError::NoSetting(setting)) => {
            return Attempt::OutOfReach(format!("the profile maps no setting {setting:?}"));
        }
        Err(error) => return Attempt::NotTestable(error.to_string()),
    };
    let mut findings = Vec::new();
    let mut finding = |expected: String, actual: String| {
        findings.push(Finding {
            step: 1,
            expected,
            actual: redactor.clean(&actual),
        });
    };
    let due = format!("it does not start, and exits with {}", expected.exit);
    match ended {
        None => finding(due, "it runs".to_owned()),
        Some(ended) => {
            if ended.exit != Some(expected.exit) {
                finding(due, ended.to_string());
            }
            for matcher in &expected.output {
                if !assertions::matches(matcher, &ended.output) {
                    finding(
                        format!("what it prints {}", assertions::describe_matcher(matcher)),
                        ended.output.clone(),
                    );
                }
            }
        }
    }
    if findings.is_empty() {
        Attempt::Passed
    } else {
        Attempt::Differs(findings, None)
    }
}
