//! The options of a run: which target, which cases, and the limits.

use std::time::Duration;

use url::Url;

use super::{selection::Selection, tokens::SuppliedToken};
use crate::{
    baseline::Baseline,
    profile::Profile,
    redact::{Redactor, program_name},
    results::Reach,
    target::Launcher,
};

/// What to run, and how.
pub struct Options {
    /// What the target offers, and how it is configured.
    pub profile: Profile,
    /// Where the target is, or how to start it.
    pub target: TargetOptions,
    /// Which cases to run.
    pub selection: Selection,
    /// Known failures.
    pub baseline: Option<Baseline>,
    /// The number of cases that run in parallel. Above 1, the same number of cases that pause run in
    /// addition.
    pub jobs: usize,
    /// The time limit for each answer.
    pub timeout: Duration,
    /// The time limit for the start of a target.
    pub start_timeout: Duration,
    /// A certificate authority (PEM) to trust besides the authorities of the system, for targets on https.
    pub authority: Option<String>,
    /// The command line that runs one case again, without `--only` and the id of the case. Reports show it
    /// with the run's secrets redacted. Of the target's command it should contain only the [`program_name`].
    pub rerun: String,
}

/// Where the target is, or how to start it.
pub enum TargetOptions {
    /// Started by this shell command, with a local Clerk that the suite starts too.
    Command(String),
    /// Started inside this process, for tests.
    Inside(Launcher),
    /// Already running.
    Running {
        /// Its MCP endpoint.
        mcp_url: Url,
        /// The tokens that the user supplied, or that a login got.
        tokens: Vec<SuppliedToken>,
        /// The local Clerk that it uses.
        clerk: Option<Url>,
        /// The issuer of its tokens, for runs without a local Clerk.
        issuer: Option<String>,
    },
}

impl Options {
    /// Returns a redactor that knows the secrets in the options and in the environment.
    pub(super) fn redactor(&self) -> Redactor {
        let redactor = Redactor::new();
        for (name, value) in &self.profile.environment {
            redactor.learn_variable(name, value);
        }
        match &self.target {
            TargetOptions::Command(command) => redactor.learn_command(command),
            TargetOptions::Inside(_) => {}
            TargetOptions::Running { tokens, .. } => {
                for SuppliedToken { spec, token } in tokens {
                    if let Ok(token) = token {
                        redactor.learn(token, spec.kind.name());
                    }
                }
            }
        }
        redactor
    }
}

impl TargetOptions {
    /// Returns the program name or the URL of the target, for reports.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Command(command) => program_name(command).to_owned(),
            Self::Inside(_) => "inside this process".to_owned(),
            Self::Running { mcp_url, .. } => mcp_url.to_string(),
        }
    }

    /// Returns how much of the target a run can test.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Command(_) | Self::Inside(_) => Reach::Everything,
            Self::Running { clerk: Some(_), .. } => Reach::LocalClerk,
            Self::Running { tokens, .. } if !tokens.is_empty() => Reach::SuppliedTokens,
            Self::Running { .. } => Reach::NoToken,
        }
    }
}
