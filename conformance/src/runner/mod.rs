//! The runner: selects cases, puts a target and a Clerk on a bench, tries one case after the other, and says what
//! came of it.
//!
//! Cases that change nothing share one target; a case that changes Clerk, or needs settings, gets a bench of its own.
//! That a case could not be tried is a result too, with the reason, and never a pass.

mod attempt;
mod bench;
mod clerk;
mod complete;
mod control;
mod judge;
mod plan;
mod request;
mod select;
mod session;
mod values;

use std::{collections::BTreeMap, fmt, time::Duration};

use futures_util::{StreamExt as _, stream};
use url::Url;

pub use self::select::{Selection, SelectionError};
use self::{
    attempt::pauses,
    bench::{Bench, BenchError},
    clerk::Clerk,
    complete::complete,
    control::control_of,
    judge::Judge,
    plan::Plan,
    request::compose,
    values::{Unknown, Values},
};
use crate::{
    baseline::Baseline,
    case::{Catalogue, Step},
    profile::Profile,
    redact::{Redactor, program_name},
    report,
    results::{CaseResult, Outcome, Reach, Results, Suite, Target},
    target::{Launcher, Start},
    wire::Trust,
};
use local_clerk::mint::{TokenKind, TokenSpec};

/// What to run, and how.
pub struct Options {
    /// What the target offers, and what it is told.
    pub profile: Profile,
    /// Where the target is, or how to start it.
    pub target: TargetOptions,
    /// Which cases.
    pub selection: Selection,
    /// Known failures.
    pub baseline: Option<Baseline>,
    /// How many cases are tried at once. If it is more than one, as many that wait for time to pass are tried beside
    /// them.
    pub jobs: usize,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How long a start may take.
    pub start_timeout: Duration,
    /// An authority to trust besides the machine's (PEM), for targets on https.
    pub authority: Option<String>,
    /// The command line that runs one case again, without `--only` and the case's id. Reports show it with the
    /// run's secrets redacted. Of a target's command it should contain only the [`program_name`].
    pub rerun: String,
}

/// Where the target is.
pub enum TargetOptions {
    /// A command of the shell starts it. The suite runs a local Clerk beside it.
    Command(String),
    /// It is started inside this process, for tests.
    Inside(Launcher),
    /// It runs already.
    Running {
        /// Its MCP endpoint.
        mcp_url: Url,
        /// Tokens that somebody supplied.
        tokens: BTreeMap<TokenKind, String>,
        /// The local Clerk that it uses.
        clerk: Option<Url>,
        /// The issuer of its tokens, for runs without a local Clerk.
        issuer: Option<String>,
    },
}

/// Why a run brought no results. The texts can be shown: they have no secrets and no control characters.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The selection is wrong.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// There is nothing to judge.
    #[error("{0}")]
    Target(String),
    /// It ended while it was judged, and no case is to blame or no other could be tried.
    #[error("the target ended during the run{0}")]
    Died(String),
}

impl Trouble {
    fn target(error: &impl fmt::Display) -> Self {
        Self::Target(error.to_string())
    }

    /// Redacts secrets and escapes control characters.
    fn redacted(self, redactor: &Redactor) -> Self {
        let redacted = |text: String| report::lines(&redactor.redact(&text));
        match self {
            Self::Selection(_) => self,
            Self::Target(text) => Self::Target(redacted(text)),
            Self::Died(text) => Self::Died(redacted(text)),
        }
    }
}

/// What is told about a run while it runs.
pub trait Progress: Sync {
    /// So many cases were selected.
    fn started(&self, cases: usize);
    /// One of them has a result.
    fn finished(&self, id: &str, outcome: Outcome);
}

/// Nobody looks.
impl Progress for () {
    fn started(&self, _: usize) {}
    fn finished(&self, _: &str, _: Outcome) {}
}

/// Runs the selected cases.
///
/// # Errors
///
/// [`Trouble`], when the selection is wrong, or there is no target to judge or no longer one: everything that is no
/// result.
pub async fn run(
    catalogue: &Catalogue,
    options: &Options,
    progress: &impl Progress,
) -> Result<Results, Trouble> {
    let redactor = redactor_for(options);
    match judge_all(catalogue, options, progress, &redactor).await {
        Ok(mut results) => {
            redactor.redact_results(&mut results);
            Ok(results)
        }
        Err(trouble) => Err(trouble.redacted(&redactor)),
    }
}

/// Creates a redactor that knows the secrets in the environment and in the options.
fn redactor_for(options: &Options) -> Redactor {
    let redactor = Redactor::new();
    for (name, value) in &options.profile.environment {
        redactor.learn_variable(name, value);
    }
    match &options.target {
        TargetOptions::Command(command) => redactor.learn_command(command),
        TargetOptions::Inside(_) => {}
        TargetOptions::Running { tokens, .. } => {
            for (kind, token) in tokens {
                redactor.learn(token, kind.name());
            }
        }
    }
    redactor
}

async fn judge_all(
    catalogue: &Catalogue,
    options: &Options,
    progress: &impl Progress,
    redactor: &Redactor,
) -> Result<Results, Trouble> {
    let selected = options.selection.apply(catalogue)?;
    let trust = Trust::new(options.authority.as_deref()).map_err(|error| Trouble::target(&error))?;
    let start = match &options.target {
        TargetOptions::Command(command) => Some(Start::Command(command.clone())),
        TargetOptions::Inside(launcher) => Some(Start::Launch(launcher.clone())),
        TargetOptions::Running { .. } => None,
    };
    let plan = start.as_ref().map(|start| Plan {
        profile: &options.profile,
        start,
        trust: &trust,
        limit: options.timeout,
        start_limit: options.start_timeout,
        redactor,
    });
    let shared = match &plan {
        Some(plan) => plan.start(None).await.map_err(|error| Trouble::target(&error))?,
        None => running(options, &trust, redactor).await?,
    };
    progress.started(selected.len());
    let judge = Judge::new(options, plan.as_ref(), shared);
    let (mut waiting, others): (Vec<_>, Vec<_>) = selected
        .into_iter()
        .partition(|(_, case)| !pauses(case, &options.profile).is_zero());
    waiting.sort_by_key(|(_, case)| std::cmp::Reverse(pauses(case, &options.profile)));
    let try_all = |cases: Vec<(_, _)>| {
        let judge = &judge;
        stream::iter(cases)
            .map(move |(section, case)| async move {
                let result = judge.judge(section, case).await;
                progress.finished(&result.id, result.outcome);
                result
            })
            .buffer_unordered(options.jobs.max(1))
    };
    let mut cases: Vec<CaseResult> = if options.jobs > 1 {
        // Those that wait for time to pass leave the others what they need to fill it.
        stream::select(try_all(waiting), try_all(others)).collect().await
    } else {
        try_all(others).chain(try_all(waiting)).collect().await
    };
    let good_token_refused = judge.finish().await?;
    cases.sort_by(|one, other| (one.section.number, &one.id).cmp(&(other.section.number, &other.id)));
    let complaints = match &options.baseline {
        Some(baseline) => baseline.apply(&mut cases, catalogue.ids()),
        None => Vec::new(),
    };
    Ok(Results {
        suite: Suite {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cases: catalogue.len(),
        },
        target: Target {
            profile: options.profile.name.clone(),
            address: match &options.target {
                TargetOptions::Command(command) => program_name(command).to_owned(),
                TargetOptions::Inside(_) => "inside this process".to_owned(),
                TargetOptions::Running { mcp_url, .. } => mcp_url.to_string(),
            },
            reach: reach(&options.target),
        },
        good_token_refused,
        cases,
        baseline: complaints,
    })
}

/// A recipe for the target at `mcp_url`, whose tokens `issuer` issues: with what its placeholders stand for.
///
/// # Errors
/// A sentence, when it names what is not known here.
pub fn recipe_for(spec: &TokenSpec, mcp_url: Option<&Url>, issuer: &str) -> Result<TokenSpec, String> {
    let mut values = Values::default();
    values.set("issuer", issuer);
    if let Some(url) = mcp_url {
        values.name_mcp_url(url);
    }
    values.fill_in(spec).map_err(|Unknown(name)| {
        let remedy = if Values::without_target("/mcp").get(&name).is_some() {
            "give --url, the MCP endpoint that the token is for"
        } else {
            "only a run knows what it stands for, so write that instead"
        };
        format!("the recipe has {{{name}}}: {remedy}")
    })
}

/// A step as it is for a target of this profile, with the names of what is only known in a run.
pub(crate) fn step_for(step: &Step, profile: &Profile) -> Step {
    let mut values = Values::without_target(&profile.mcp_path);
    values.fill_what_is_known(step).unwrap_or_else(|_| step.clone())
}

/// The request of such a step as it would be sent.
///
/// # Errors
/// A sentence, when the step asks for what HTTP cannot say.
pub(crate) fn request_as_text(step: &Step, profile: &Profile) -> Result<String, String> {
    let values = Values::without_target(&profile.mcp_path);
    let has_token = step.token.is_some() || step.token_of_step.is_some();
    let outgoing = compose(step, has_token.then_some("{token}"), None, &values)?;
    Ok(outgoing.as_text())
}

/// The token of a step as it would be made for a target of this profile, with the names of what is only known in a run.
pub(crate) fn token_for(spec: &TokenSpec, profile: &Profile) -> TokenSpec {
    complete(spec, profile, |_| false, Some(profile.resource.clone())).unwrap_or_else(|_| spec.clone())
}

/// The token that a target of this profile must accept for the step to prove something; and whether the step's own target
/// must, or one on which all is well.
pub(crate) fn control_for(step: &Step, profile: &Profile) -> Option<(TokenSpec, bool)> {
    let complete = |spec: &TokenSpec| complete(spec, profile, |_| false, None);
    let (control, at_fault) = control_of(step, profile, complete)?;
    Some((token_for(&control, profile), at_fault))
}

/// The bench of a target that runs already, once it has answered.
async fn running(options: &Options, trust: &Trust, redactor: &Redactor) -> Result<Bench, Trouble> {
    let TargetOptions::Running {
        mcp_url,
        tokens,
        clerk,
        issuer,
    } = &options.target
    else {
        return Err(Trouble::Target("there is no target".to_owned()));
    };
    let trouble = |error: BenchError| Trouble::target(&error);
    let mut bench =
        Bench::of_running(&options.profile, mcp_url, trust, options.timeout, redactor).map_err(trouble)?;
    bench.tokens.clone_from(tokens);
    if let Some(issuer) = issuer {
        bench.values.set("issuer", issuer.trim_end_matches('/'));
    }
    if let Some(url) = clerk {
        let clerk = Clerk::at(url).map_err(|error| Trouble::target(&error))?;
        bench = bench
            .with_clerk(clerk, url.as_str().trim_end_matches('/'))
            .await
            .map_err(|error| Trouble::Target(format!("--clerk {url}: {error}")))?;
    }
    match bench.knock().await {
        Ok(()) => Ok(bench),
        Err(error) => Err(Trouble::Target(format!("{mcp_url} does not answer: {error}"))),
    }
}

fn reach(target: &TargetOptions) -> Reach {
    match target {
        TargetOptions::Command(_) | TargetOptions::Inside(_) => Reach::Everything,
        TargetOptions::Running { clerk: Some(_), .. } => Reach::LocalClerk,
        TargetOptions::Running { tokens, .. } if !tokens.is_empty() => Reach::SuppliedTokens,
        TargetOptions::Running { .. } => Reach::NoToken,
    }
}
