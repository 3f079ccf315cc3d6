use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;

use super::{bench::Bench, control::Healthy, request::compose};
use crate::{
    assertions::{self, Context, Difference, SentMessage},
    case::{Case, OneOrMany, Step, endpoints},
    profile::Profile,
    redact::Redactor,
    results::{Exchange, Finding},
    vocabulary::{KEY_INTERVAL, duration},
    wire::{Answer, Outgoing, WireError},
};
use local_clerk::mint::TokenSpec;

/// Bodies are shown up to this.
const SHOWN_BYTES: usize = 2_000;

/// What came of trying a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// As expected.
    Passed,
    /// Not as expected.
    Differs(Vec<Finding>, Option<Exchange>),
    /// It ended the target.
    Died(Vec<Finding>, Option<Exchange>),
    /// It could not be tried, though it should have been.
    NotTestable(String),
    /// This run does not reach that far.
    OutOfReach(String),
}

/// Why a step cannot be taken.
pub(super) enum Stop {
    NotTestable(String),
    OutOfReach(String),
}

/// One case on its bench, step by step.
pub(crate) struct Trial<'a> {
    pub(super) bench: &'a Bench,
    pub(super) healthy: Healthy<'a>,
    pub(super) redactor: Redactor,
    /// The token of each step so far.
    tokens: Vec<Option<String>>,
    /// The last answer of each step so far.
    pub(super) answers: Vec<Answer>,
}

impl<'a> Trial<'a> {
    /// On `bench`, where the case may have brought things out of order; on `healthy` nothing is.
    pub(super) fn new(bench: &'a Bench, healthy: Healthy<'a>) -> Self {
        Self {
            bench,
            healthy,
            redactor: bench.redactor.clone(),
            tokens: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Tries the case up to the first step that is not as expected.
    pub(crate) async fn run(mut self, case: &Case) -> Attempt {
        for (position, step) in case.steps().iter().enumerate() {
            let taken = match self.bench.values.fill_in(step) {
                Ok(step) => self.take(&step, position + 1).await,
                // With a target of our own everything is known: what isn't is a mistake in the case.
                Err(error) if self.bench.is_ours() => Err(Stop::NotTestable(error.to_string())),
                Err(error) => Err(Stop::OutOfReach(error.remedy(self.bench.clerk.is_some()))),
            };
            match taken {
                Ok((findings, _)) if findings.is_empty() => {}
                Ok((findings, exchange)) => return Attempt::Differs(findings, exchange),
                Err(Stop::NotTestable(reason)) => return Attempt::NotTestable(self.redactor.clean(&reason)),
                Err(Stop::OutOfReach(reason)) => return Attempt::OutOfReach(reason),
            }
        }
        Attempt::Passed
    }

    async fn take(&mut self, step: &Step, number: usize) -> Result<(Vec<Finding>, Option<Exchange>), Stop> {
        for action in &step.clerk {
            let clerk = self.bench.clerk.as_ref().ok_or_else(needs_clerk)?;
            clerk
                .act(action)
                .await
                .map_err(|error| Stop::NotTestable(error.to_string()))?;
        }
        if let Some(pause) = longest(step, &self.bench.profile) {
            // What only time changes at another program has to be waited for.
            tokio::time::sleep(pause).await;
        }
        let count = step.send.times.unwrap_or(1);
        let tokens = self.tokens_of(step, count).await?;
        self.check_control(step, number).await?;
        let session = self
            .session(step, tokens.first().and_then(Option::as_deref))
            .await?;

        let compose_all = |step: &Step| {
            tokens
                .iter()
                .map(|token| compose(step, token.as_deref(), session.as_deref(), &self.bench.values))
                .collect::<Result<Vec<Outgoing>, String>>()
                .map_err(Stop::NotTestable)
        };
        let mut outgoing = compose_all(step)?;
        let before = self.counters(step).await?;
        let mut answers = self.send(step, &outgoing).await;
        if step.send.or_path.is_some() && answers.iter().flatten().all(|answer| answer.status == 404) {
            let mut other = step.clone();
            other.send.path.clone_from(&step.send.or_path);
            outgoing = compose_all(&other)?;
            answers = self.send(&other, &outgoing).await;
        }
        let after = self.counters(step).await?;

        let mut outcome = self.judge(step, number, &tokens, &outgoing, &answers);
        for (endpoint, count) in &step.expect.clerk_requests {
            let asked = |counters: &BTreeMap<String, u64>| -> u64 {
                let names = endpoints(endpoint).map(|(whose, name)| format!("{whose}{name}"));
                names.filter_map(|name| counters.get(&name)).sum()
            };
            let actual = asked(&after).saturating_sub(asked(&before));
            if let Some(difference) = assertions::compare_count(endpoint, *count, actual) {
                outcome.0.push(self.finding(number, &difference));
            }
        }
        self.tokens.push(tokens.into_iter().next().flatten());
        // No answer is a finding already, and later steps will not be taken.
        if let Some(Ok(answer)) = answers.into_iter().next_back() {
            self.answers.push(answer);
        }
        Ok(outcome)
    }

    /// The token for each of the requests.
    async fn tokens_of(&mut self, step: &Step, count: u32) -> Result<Vec<Option<String>>, Stop> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if let Some(earlier) = step.token_of_step {
            let token = earlier
                .checked_sub(1)
                .and_then(|index| self.tokens.get(index))
                .cloned();
            return Ok(vec![token.flatten(); count]);
        }
        let Some(spec) = &step.token else {
            return Ok(vec![None; count]);
        };
        let mut tokens = Vec::new();
        let different = if step.send.new_tokens { count } else { 1 };
        for _ in 0..different {
            tokens.push(Some(self.token(spec).await?));
        }
        let last = tokens.last().cloned().flatten();
        tokens.resize(count, last);
        Ok(tokens)
    }

    /// A token as specified: supplied when one was and it will do, else made by Clerk.
    pub(super) async fn token(&mut self, spec: &TokenSpec) -> Result<String, Stop> {
        let spec = self
            .bench
            .complete(spec)
            .map_err(|reason| Stop::OutOfReach(reason.to_owned()))?;
        let token = match &self.bench.clerk {
            Some(clerk) => clerk
                .mint(&spec)
                .await
                .map_err(|error| Stop::NotTestable(error.to_string()))?,
            None => self.supplied(&spec)?,
        };
        self.redactor.know(&token, &describe(&spec));
        self.bench.minted(&token);
        Ok(token)
    }

    fn supplied(&self, spec: &TokenSpec) -> Result<String, Stop> {
        let damage_only = TokenSpec {
            kind: spec.kind,
            damage: spec.damage.clone(),
            scopes: spec
                .scopes
                .clone()
                .filter(|scopes| *scopes == self.bench.profile.scopes),
            resource: spec.resource.clone().filter(|resource| {
                self.bench.values.fill(&self.bench.profile.resource).as_ref() == Ok(resource)
            }),
            ..TokenSpec::default()
        };
        match self.bench.tokens.get(&spec.kind) {
            Some(token) if *spec == damage_only => Ok(spec
                .damage
                .iter()
                .fold(token.clone(), |token, damage| damage.apply(&token))),
            Some(_) => Err(needs_clerk()),
            None if self.bench.tokens.is_empty() => Err(needs_clerk()),
            None => Err(Stop::OutOfReach(format!("no {} was supplied", spec.kind.name()))),
        }
    }

    async fn counters(&self, step: &Step) -> Result<BTreeMap<String, u64>, Stop> {
        if step.expect.clerk_requests.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.bench.clerk.as_ref().ok_or_else(needs_clerk)?;
        self.bench
            .counters()
            .await
            .map_err(|error| Stop::NotTestable(error.to_string()))
    }

    async fn send(&self, step: &Step, outgoing: &[Outgoing]) -> Vec<Result<Answer, WireError>> {
        let limit = step.limit.as_deref().and_then(duration);
        let limit = limit.unwrap_or_default();
        if step.send.at_once {
            return join_all(outgoing.iter().map(|one| self.bench.send_within(one, limit))).await;
        }
        let mut answers = Vec::new();
        for one in outgoing {
            answers.push(self.bench.send_within(one, limit).await);
        }
        answers
    }

    /// The findings, and the exchange of the first.
    fn judge(
        &self,
        step: &Step,
        number: usize,
        tokens: &[Option<String>],
        outgoing: &[Outgoing],
        answers: &[Result<Answer, WireError>],
    ) -> (Vec<Finding>, Option<Exchange>) {
        let mut wrong = Vec::new();
        for ((token, outgoing), answer) in tokens.iter().zip(outgoing).zip(answers) {
            let context = Context {
                earlier: &self.answers,
                token: token.as_deref(),
                sent: SentMessage::of(&outgoing.body),
            };
            let differences = match answer {
                Ok(answer) => assertions::compare(&step.expect, answer, &context),
                Err(error) => vec![Difference {
                    expected: "an answer".to_owned(),
                    actual: error.to_string(),
                }],
            };
            if !differences.is_empty() {
                wrong.push((differences, outgoing, answer));
            }
        }
        let right = answers.len() - wrong.len();
        let due = step
            .expect
            .at_least
            .map_or(answers.len(), |due| usize::try_from(due).unwrap_or(usize::MAX));
        if right >= due {
            // It may yet be that Clerk was asked too often.
            let shown = outgoing.first().zip(answers.first());
            let shown = shown.filter(|_| !step.expect.clerk_requests.is_empty());
            return (
                Vec::new(),
                shown.map(|(outgoing, answer)| self.exchange(number, outgoing, answer)),
            );
        }
        let mut findings = Vec::new();
        let mut exchange = None;
        if let Some((differences, outgoing, answer)) = wrong.into_iter().next() {
            exchange = Some(self.exchange(number, outgoing, answer));
            findings.extend(differences.into_iter().map(|one| self.finding(number, &one)));
        }
        if answers.len() > 1 {
            findings.push(Finding {
                step: number,
                expected: format!("{due} of {} answers like that", answers.len()),
                actual: right.to_string(),
            });
        }
        (findings, exchange)
    }

    fn finding(&self, step: usize, difference: &Difference) -> Finding {
        Finding {
            step,
            expected: self.redactor.clean_own(&difference.expected),
            actual: cut(&difference.actual, |text| self.redactor.clean(text)),
        }
    }

    fn exchange(&self, step: usize, outgoing: &Outgoing, answer: &Result<Answer, WireError>) -> Exchange {
        let response = match answer {
            Ok(answer) => answer.as_text(),
            Err(error) => error.to_string(),
        };
        Exchange {
            step,
            request: cut(&outgoing.as_text(), |text| self.redactor.clean_own(text)),
            response: cut(&response, |text| self.redactor.clean(text)),
        }
    }
}

fn needs_clerk() -> Stop {
    Stop::OutOfReach("it needs the local Clerk, which makes the tokens".to_owned())
}

/// A specification in one line, as `mint` takes it.
pub(super) fn describe(spec: &TokenSpec) -> String {
    serde_json::to_string(spec).unwrap_or_else(|_| spec.kind.name().to_owned())
}

/// As much of a text as is shown, cleaned before: half a secret is harder to tell. Bodies may be large, and what is far
/// behind is not looked at.
fn cut(text: &str, clean: impl Fn(&str) -> String) -> String {
    let head = text.get(..text.floor_char_boundary(8 * SHOWN_BYTES));
    let cleaned = clean(head.unwrap_or_default());
    let cleaned = cleaned.trim_end();
    if cleaned.len() <= SHOWN_BYTES && text.len() <= 8 * SHOWN_BYTES {
        return cleaned.to_owned();
    }
    let end = cleaned.floor_char_boundary(SHOWN_BYTES);
    format!(
        "{}… ({} bytes in all)",
        cleaned.get(..end).unwrap_or_default(),
        text.len()
    )
}

/// How long a case pauses, for the order in which cases are started.
pub(crate) fn pauses(case: &Case, profile: &Profile) -> Duration {
    let steps = case.steps();
    steps.iter().filter_map(|step| longest(step, profile)).sum()
}

/// The longest of a step's pauses.
fn longest(step: &Step, profile: &Profile) -> Option<Duration> {
    let pauses = step.pause.iter().flat_map(OneOrMany::as_slice);
    let pauses = pauses.filter_map(|pause| duration(&pause.replace(KEY_INTERVAL, &profile.key_interval)));
    pauses.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_pauses_the_longest_counts() {
        let mut profile = Profile::find("clerk-mcp").unwrap();
        let step: Step = toml::from_str("pause = [\"12s\", \"{key_interval}\"]").unwrap();
        assert_eq!(longest(&step, &profile), Some(Duration::from_secs(12)));
        profile.key_interval = "30s".to_owned();
        assert_eq!(longest(&step, &profile), Some(Duration::from_secs(30)));
        assert_eq!(longest(&Step::default(), &profile), None);
    }
}
