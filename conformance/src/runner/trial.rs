//! Runs the steps of one case against a fixture.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures_util::future::{Either, join_all, join3, select};
use local_clerk::mint::TokenSpec;
use tokio::time::{Instant, sleep};

use super::{
    controls::{Control, ControlOutcome},
    findings::{exchange, finding},
    fixture::Fixture,
    outcome::{CaseOutcome, Failure, StepError},
    pause::longest_pause,
    request::{compose, set_message_id},
    running_target::POLL_INTERVAL,
    session::sessions_for,
    shared_target::SharedTarget,
    tokens::recipe_line,
    values::{CALLER, UnknownPlaceholder},
};
use crate::{
    assertions::{self, Context, Difference, SentMessage, request_id},
    case::{Case, Expectation, ExpectedAnswer, OneOrMany, Step, endpoints},
    results::Finding,
    vocabulary::duration,
    wire::{Answer, Outgoing, WireError},
};

/// How long a target may take to ask Clerk about a token.
const ARRIVAL: Duration = Duration::from_secs(1);

/// One run of a case.
pub(super) struct Trial<'a> {
    fixture: &'a Fixture,
    /// The target for controls of steps whose fault is not in the token. `None` if `fixture` has no faults.
    faultless: Option<&'a SharedTarget<'a>>,
    /// The token of each step so far.
    tokens: Vec<Option<String>>,
    /// The last answer of each step so far.
    answers: Vec<Answer>,
    /// Whether requests that are rejected as expected are sent again.
    repeats_rejections: bool,
}

/// One of the requests of a step, with its answer.
struct Exchange {
    token: Option<String>,
    request: Outgoing,
    answer: Result<Answer, WireError>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(fixture: &'a Fixture, faultless: Option<&'a SharedTarget<'a>>) -> Self {
        Self {
            fixture,
            faultless,
            tokens: Vec::new(),
            answers: Vec::new(),
            repeats_rejections: false,
        }
    }

    /// Runs the case up to the first step that fails.
    pub(super) async fn run(mut self, case: &Case) -> CaseOutcome {
        self.repeats_rejections = changes_nothing(case);
        for (position, step) in case.steps().iter().enumerate() {
            let failure = match self.fixture.values.fill_in(step) {
                Ok(step) => Box::pin(self.run_step(&step, position + 1)).await,
                // If the suite started the target, all placeholders have values, so this one is a typo.
                Err(error) if self.fixture.target.is_own() => Err(StepError::NotTestable(error.to_string())),
                Err(error) => Err(StepError::OutOfReach(error.remedy(self.fixture.clerk().is_ok()))),
            };
            match failure {
                Ok(failure) if failure.findings.is_empty() => {}
                Ok(failure) => return CaseOutcome::Failed(failure),
                Err(StepError::NotTestable(reason)) => return CaseOutcome::NotTestable(reason),
                Err(StepError::OutOfReach(reason)) => return CaseOutcome::OutOfReach(reason),
            }
        }
        CaseOutcome::Passed
    }

    async fn run_step(&mut self, step: &Step, number: usize) -> Result<Failure, StepError> {
        for action in &step.clerk {
            self.fixture.clerk()?.act(action).await?;
        }
        if let Some(pause) = longest_pause(step, &self.fixture.profile) {
            // The target is another program, whose clock the suite cannot move.
            sleep(pause).await;
        }
        let expectations = self.expectations(step)?;
        let tokens = self.step_tokens(step).await?;
        self.check_control(step, number).await?;
        let sessions = sessions_for(
            step,
            &tokens,
            &self.answers,
            &self.fixture.profile,
            &self.fixture.values,
            &self.fixture.target.client,
        )
        .await?;

        let counts_before = self.request_counts(step).await?;
        let mut exchanges = match &step.meanwhile {
            Some(waiting) => {
                let sent = Box::pin(self.send(step, &tokens, &sessions));
                self.send_meanwhile(waiting, sent).await?
            }
            None => Box::pin(self.send(step, &tokens, &sessions)).await?,
        };
        let is_missing = |exchange: &Exchange| match &exchange.answer {
            Ok(answer) => answer.status == 404,
            Err(_) => true,
        };
        if step.send.or_path.is_some() && exchanges.iter().all(is_missing) {
            let mut step = step.clone();
            step.send.path = step.send.or_path.take();
            exchanges = Box::pin(self.send(&step, &tokens, &sessions)).await?;
        }
        let counts_after = self.request_counts(step).await?;

        let mut failure = self.compare(step, number, &expectations, &exchanges);
        // A client must not use a message id twice in a session.
        let in_session = sessions.iter().any(Option::is_some);
        if failure.findings.is_empty() && self.repeats_rejections && rejects_one_request(step) && !in_session
        {
            // A server that remembers the first decision must not decide otherwise the second time.
            exchanges = Box::pin(self.send(step, &tokens, &sessions)).await?;
            failure = self.compare(step, number, &expectations, &exchanges);
            for finding in &mut failure.findings {
                finding.actual += " when the same request was sent again";
            }
        }
        for (endpoint, expected) in &step.expect.clerk_requests {
            let requests = total(&counts_after, endpoint).saturating_sub(total(&counts_before, endpoint));
            let difference = assertions::compare_count(endpoint, *expected, requests);
            let finding = difference.map(|one| finding(number, &one, &self.fixture.redactor));
            failure.findings.extend(finding);
        }
        self.tokens.push(tokens.into_iter().next().flatten());
        // A missing answer fails this step, so that later steps do not look for it.
        if let Some(Ok(answer)) = exchanges.into_iter().next_back().map(|exchange| exchange.answer) {
            self.answers.push(answer);
        }
        Ok(failure)
    }

    /// Returns the token of each request of a step.
    async fn step_tokens(&self, step: &Step) -> Result<Vec<Option<String>>, StepError> {
        let count = request_count(step);
        if let Some(earlier) = step.token_of_step {
            let token = earlier.checked_sub(1).and_then(|index| self.tokens.get(index));
            let damaged = token.cloned().flatten().map(|token| {
                let damage = step.damage.iter();
                damage.fold(token, |token, damage| damage.apply(&token))
            });
            return Ok(vec![damaged; count]);
        }
        let Some(spec) = &step.token else {
            return Ok(vec![None; count]);
        };
        let users = &step.send.users;
        let distinct = if step.send.new_tokens {
            count
        } else {
            users.len().max(1)
        };
        let mut tokens = Vec::new();
        for index in 0..distinct {
            let mut spec = spec.clone();
            if !users.is_empty() {
                spec.user = users.get(index % users.len()).cloned();
            }
            tokens.push(Some(self.fixture.token(&spec).await?));
        }
        Ok(tokens.into_iter().cycle().take(count).collect())
    }

    /// Checks that the control of the step, if it has one, is accepted. Otherwise its rejection proves
    /// nothing.
    async fn check_control(&self, step: &Step, number: usize) -> Result<(), StepError> {
        let fixture = self.fixture;
        let completed = step
            .token
            .as_ref()
            .and_then(|spec| fixture.tokens.complete(spec, &fixture.profile).ok());
        let any_kind = completed.map(|spec| spec.kind);
        let Some(Control { spec, on_same_target }) = Control::of(step, any_kind, &fixture.profile) else {
            return Ok(());
        };
        let outcome = match self.faultless {
            Some(faultless) if !on_same_target => faultless.control(&spec).await?,
            _ => fixture.control(&spec).await?,
        };
        match outcome {
            ControlOutcome::Accepted => Ok(()),
            ControlOutcome::Rejected(how) => Err(StepError::NotTestable(format!(
                "step {number}: a rejection proves nothing, because the same token without damage ({}) is \
                 rejected too: {how}",
                recipe_line(&spec)
            ))),
        }
    }

    async fn request_counts(&self, step: &Step) -> Result<BTreeMap<String, u64>, StepError> {
        if step.expect.clerk_requests.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.fixture.request_counts().await
    }

    /// Sends the request of a step once for each token.
    async fn send(
        &self,
        step: &Step,
        tokens: &[Option<String>],
        sessions: &[Option<String>],
    ) -> Result<Vec<Exchange>, StepError> {
        let mut requests = Vec::new();
        for (index, (token, session)) in tokens.iter().zip(sessions.iter().cycle()).enumerate() {
            let request = compose(step, token.as_deref(), session.as_deref(), &self.fixture.values);
            let mut request = request.map_err(StepError::NotTestable)?;
            if session.is_some() {
                // `initialize` had 1.
                set_message_id(&mut request, step, index + 2);
            }
            if let Some(spec) = &step.after {
                let first = self.fixture.token(spec).await?;
                let first = compose(&Step::default(), Some(&first), None, &self.fixture.values);
                request.after = Some(Box::new(first.map_err(StepError::NotTestable)?));
            }
            requests.push((token.clone(), request));
        }
        let limit = step.limit.as_deref().and_then(duration).unwrap_or_default();
        let deadline = step.deadline.as_deref().and_then(duration);
        let client = &self.fixture.target.client;
        let beside = match &step.beside {
            Some(spec) => {
                let token = self.fixture.token(spec).await?;
                let request = compose(step, Some(&token), None, &self.fixture.values);
                Some(request.map_err(StepError::NotTestable)?)
            }
            None => None,
        };
        let beside = &beside;
        let exchanges = requests.into_iter().map(|(token, request)| async move {
            let answer = async {
                match deadline {
                    Some(deadline) => client.send_by(&request, deadline).await,
                    None => client.send_within(&request, limit).await,
                }
            };
            let answer = match beside {
                // One of both may arrive earlier and one later than the request.
                Some(beside) => join3(client.send(beside), answer, client.send(beside)).await.1,
                None => answer.await,
            };
            Exchange {
                token,
                request,
                answer,
            }
        });
        if step.send.at_once {
            return Ok(join_all(exchanges).await);
        }
        let mut sequential = Vec::new();
        for exchange in exchanges {
            sequential.push(exchange.await);
        }
        Ok(sequential)
    }

    /// Sends the request of a step while another request waits for Clerk.
    async fn send_meanwhile(
        &self,
        waiting: &TokenSpec,
        sent: impl Future<Output = Result<Vec<Exchange>, StepError>>,
    ) -> Result<Vec<Exchange>, StepError> {
        let token = self.fixture.token(waiting).await?;
        let request = compose(&Step::default(), Some(&token), None, &self.fixture.values);
        let request = request.map_err(StepError::NotTestable)?;
        let before = self.fixture.request_counts().await?;
        let asked = async {
            let deadline = Instant::now() + ARRIVAL;
            // A target that does not ask Clerk answers at once, and delays no other request.
            while Instant::now() < deadline && self.fixture.request_counts().await? == before {
                sleep(POLL_INTERVAL).await;
            }
            sent.await
        };
        let waits = self.fixture.target.client.send(&request);
        match select(pin!(waits), pin!(asked)).await {
            Either::Left((_, asked)) => asked.await,
            Either::Right((exchanges, _)) => exchanges,
        }
    }

    /// Returns the expectation for each user of a step, or the only one.
    fn expectations(&self, step: &Step) -> Result<Vec<Expectation>, StepError> {
        if step.send.users.is_empty() {
            return Ok(vec![step.expect.clone()]);
        }
        let for_user = |user: &String| {
            let mut values = self.fixture.values.clone();
            values.set(CALLER, values.fill(&format!("{{{user}}}"))?);
            let mut expect: Expectation = values.fill_in(&step.expect)?;
            if let Some(body) = &mut expect.body {
                // An answer that names the caller can still contain the data of another user.
                let others = step.send.users.iter().filter(|other| *other != user);
                let others = others.map(|other| values.fill(&format!("{{{other}}}")));
                let kept = body.lacks.iter().flat_map(OneOrMany::as_slice).cloned().map(Ok);
                body.lacks = Some(OneOrMany::Many(kept.chain(others).collect::<Result<_, _>>()?));
            }
            Ok::<_, UnknownPlaceholder>(expect)
        };
        let expectations = step.send.users.iter().map(for_user);
        expectations
            .collect::<Result<_, _>>()
            .map_err(|error| StepError::OutOfReach(error.remedy(self.fixture.clerk().is_ok())))
    }

    /// Compares the answers with the expectations of their callers. Reports the first answer that differs.
    fn compare(
        &self,
        step: &Step,
        number: usize,
        expectations: &[Expectation],
        exchanges: &[Exchange],
    ) -> Failure {
        let mut differing = Vec::new();
        for (exchange, expect) in exchanges.iter().zip(expectations.iter().cycle()) {
            let differences = self.differences(expect, exchange);
            if !differences.is_empty() {
                differing.push((differences, exchange));
            }
        }
        let total = exchanges.len();
        let required = step
            .expect
            .at_least
            .map_or(total, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let matching = total - differing.len();
        if matching >= required {
            // The exchange is shown if the number of requests to Clerk turns out to be wrong.
            let shown = exchanges
                .first()
                .filter(|_| !step.expect.clerk_requests.is_empty());
            return Failure {
                findings: Vec::new(),
                exchange: shown
                    .map(|one| exchange(number, &one.request, &one.answer, &self.fixture.redactor)),
            };
        }
        let mut failure = Failure::default();
        if let Some((differences, one)) = differing.first() {
            failure.exchange = Some(exchange(
                number,
                &one.request,
                &one.answer,
                &self.fixture.redactor,
            ));
            let findings = differences
                .iter()
                .map(|one| finding(number, one, &self.fixture.redactor));
            failure.findings.extend(findings);
        }
        if total > 1 {
            failure.findings.push(Finding {
                step: number,
                expected: format!("{required} of {total} answers as expected"),
                actual: matching.to_string(),
            });
        }
        failure
    }

    fn differences(&self, expect: &Expectation, exchange: &Exchange) -> Vec<Difference> {
        let context = Context {
            earlier: &self.answers,
            token: exchange.token.as_deref(),
            sent: SentMessage::of(&exchange.request.body),
            id: request_id(&exchange.request.body),
        };
        match &exchange.answer {
            Ok(answer) => assertions::compare(expect, answer, &context),
            Err(error) => vec![Difference {
                expected: "an answer".to_owned(),
                actual: error.to_string(),
            }],
        }
    }
}

/// Returns whether a case neither acts on Clerk nor waits. Otherwise a second request could be judged by other
/// rules than the first.
fn changes_nothing(case: &Case) -> bool {
    let changes = |step: &Step| !step.clerk.is_empty() || step.pause.is_some() || step.meanwhile.is_some();
    case.before.is_empty() && case.instead.is_empty() && !case.steps().iter().any(changes)
}

/// Returns whether a step sends one request, which must be rejected.
fn rejects_one_request(step: &Step) -> bool {
    let is_rejection = matches!(
        step.expect.is,
        Some(
            ExpectedAnswer::Refused
                | ExpectedAnswer::Challenged
                | ExpectedAnswer::InvalidToken
                | ExpectedAnswer::InsufficientScope
                | ExpectedAnswer::Forbidden
                | ExpectedAnswer::NotProcessed
        )
    );
    let is_large = step.send.body_bytes.is_some() || step.send.declared_bytes.is_some();
    is_rejection && !is_large && request_count(step) == 1 && step.expect.clerk_requests.is_empty()
}

/// Returns the number of requests that a step sends.
fn request_count(step: &Step) -> usize {
    match step.send.times {
        Some(times) => usize::try_from(times).unwrap_or(usize::MAX),
        None => step.send.users.len().max(1),
    }
}

/// Returns the number of requests to endpoints that are counted together.
fn total(counts: &BTreeMap<String, u64>, endpoint: &str) -> u64 {
    let names = endpoints(endpoint).map(|(prefix, name)| format!("{prefix}{name}"));
    names.filter_map(|name| counts.get(&name)).sum()
}
