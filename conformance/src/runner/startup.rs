//! Starts targets, and waits until they are ready or have exited.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    environment::{Prepared, prepare},
    fixture::{Fixture, FixtureError},
    options::{Options, TargetOptions},
    request::compose,
    running_target::{OwnTarget, POLL_INTERVAL, RunningTarget, TargetClient},
};
use crate::{
    case::{Case, Step},
    redact::Redactor,
    target::{Ended, Environment, PrintedSecrets, Start, Started, free_port, is_taken},
    wire::{Outgoing, Trust},
};

/// How many ports are tried, in case other programs take them first.
const PORTS: usize = 3;

/// Starts the targets of a run.
pub(super) struct TargetStarter<'a> {
    options: &'a Options,
    start: Start,
    trust: &'a Trust,
    /// The redactor of the run.
    redactor: &'a Redactor,
    /// What the targets print that they must not print.
    pub(super) printed: PrintedSecrets,
}

impl<'a> TargetStarter<'a> {
    /// Creates a starter, unless the target is already running.
    pub(super) fn new(options: &'a Options, trust: &'a Trust, redactor: &'a Redactor) -> Option<Self> {
        let start = match &options.target {
            TargetOptions::Command(command) => Start::Command(command.clone()),
            TargetOptions::Inside(launcher) => Start::Launch(launcher.clone()),
            TargetOptions::Running { .. } => return None,
        };
        Some(Self {
            options,
            start,
            trust,
            redactor,
            printed: PrintedSecrets::default(),
        })
    }

    /// Starts a local Clerk and a target with the settings of the case, and waits until the target is ready.
    /// Starts a target that is not ready in time once more, because the machine may have been busy.
    pub(super) async fn start(&self, case: Option<&Case>) -> Result<Fixture, FixtureError> {
        match self.start_once(case).await {
            Err(FixtureError::NotReady { .. }) => self.start_once(case).await,
            other => other,
        }
    }

    async fn start_once(&self, case: Option<&Case>) -> Result<Fixture, FixtureError> {
        for _ in 1..PORTS {
            let port = port()?;
            let fixture = self.start_on(port, case).await;
            if !matches!(fixture, Err(FixtureError::Target(_))) || !is_taken(port) {
                return fixture;
            }
        }
        self.start_on(port()?, case).await
    }

    async fn start_on(&self, port: u16, case: Option<&Case>) -> Result<Fixture, FixtureError> {
        let Prepared {
            values,
            variables,
            clerk,
            other_clerk,
            clerks,
            ca_file,
            intercept,
        } = prepare(&self.options.profile, port, case, self.redactor).await?;
        let own = OwnTarget {
            started: self.launch(variables).await.map_err(FixtureError::Target)?,
            clerks,
            _ca_file: ca_file,
            intercept,
        };
        let client = TargetClient::new(&values, self.trust, self.options.timeout);
        let client = client.map_err(FixtureError::Setup)?;
        let target = RunningTarget::new(client, Some(own));
        let redactor = self.redactor.clone();
        let mut fixture = Fixture::new(&self.options.profile, values, target, Some(clerk), redactor);
        fixture.other_clerk = other_clerk;
        // A server whose Clerk is unavailable from the start may never report that it is ready.
        let accepts_503 = case.is_some_and(|case| !case.before.is_empty() || !case.instead.is_empty());
        match wait_until_ready(&fixture, self.options.start_timeout, accepts_503).await {
            Ok(()) => Ok(fixture),
            Err(error) => {
                fixture.target.stop().await;
                Err(error)
            }
        }
    }

    /// Starts a target that should exit, without the variables for some values. Returns how it ended, or
    /// `None` if it is running.
    pub(super) async fn start_expecting_exit(
        &self,
        case: &Case,
        without: &[String],
    ) -> Result<Option<Ended>, FixtureError> {
        for _ in 1..PORTS {
            let port = port()?;
            let ended = self.start_expecting_exit_on(port, case, without).await?;
            if ended.is_none() || !is_taken(port) {
                return Ok(ended);
            }
        }
        self.start_expecting_exit_on(port()?, case, without).await
    }

    async fn start_expecting_exit_on(
        &self,
        port: u16,
        case: &Case,
        without: &[String],
    ) -> Result<Option<Ended>, FixtureError> {
        let profile = &self.options.profile;
        // The Clerks, the proxy and the file live until this function returns.
        let mut prepared = prepare(profile, port, Some(case), self.redactor).await?;
        prepared.variables.retain(|variable, _| {
            let template = profile.environment.get(variable).map_or("", String::as_str);
            !without.iter().any(|value| template == format!("{{{value}}}"))
        });
        let started = match self.launch(prepared.variables).await {
            Ok(started) => started,
            Err(ended) => return Ok(Some(ended)),
        };
        let client = TargetClient::new(&prepared.values, self.trust, self.options.timeout).ok();
        let answers = async || match &client {
            Some(client) => client.probe().await.is_ok(),
            None => false,
        };
        let deadline = Instant::now() + self.options.start_timeout;
        let ended = loop {
            if let Some(ended) = started.ended().await {
                break Some(ended);
            }
            if timeout_at(deadline, answers()).await == Ok(true) || Instant::now() >= deadline {
                break None;
            }
            sleep(POLL_INTERVAL).await;
        };
        started.stop().await;
        Ok(ended)
    }

    async fn launch(&self, variables: Environment) -> Result<Started, Ended> {
        let profile = &self.options.profile;
        // Variables of this process with the names of the profile's are not meant for the target.
        let not_inherited = profile.environment.keys().chain(profile.settings.values());
        let not_inherited: Vec<String> = not_inherited.cloned().collect();
        self.start.start(variables, &not_inherited, &self.printed).await
    }
}

fn port() -> Result<u16, FixtureError> {
    free_port().ok_or_else(|| FixtureError::setup("there is no free port"))
}

async fn wait_until_ready(fixture: &Fixture, limit: Duration, accepts_503: bool) -> Result<(), FixtureError> {
    let target = &fixture.target;
    let request = ready_request(fixture).map_err(FixtureError::Setup)?;
    let is_ready = async || match target.client.send(&request).await {
        Ok(answer) => {
            fixture.profile.ready.is_none() || answer.status == 200 || accepts_503 && answer.status == 503
        }
        Err(_) => false,
    };
    let deadline = Instant::now() + limit;
    loop {
        if let Some(ended) = target.ended().await {
            return Err(FixtureError::Target(ended));
        }
        // One answer may take longer than the time that is left.
        if timeout_at(deadline, is_ready()).await == Ok(true) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(FixtureError::NotReady {
                limit,
                output: target.output(),
            });
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Returns the request that tells whether the target is ready. Any answer will do if the profile has no
/// `ready` path.
fn ready_request(fixture: &Fixture) -> Result<Outgoing, String> {
    let mut step = Step::default();
    if let Some(path) = &fixture.profile.ready {
        step.send.path = Some(path.clone());
        step.send.method = Some(Method::GET.to_string());
    }
    compose(&step, None, None, &fixture.values)
}
