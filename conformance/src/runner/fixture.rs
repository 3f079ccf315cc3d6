//! What cases run against: a target, the local Clerk that it uses, and the values that are known about both.

use std::{collections::BTreeMap, error::Error, time::Duration};

use local_clerk::mint::TokenSpec;

use super::{
    clerk_admin::{ClerkAdmin, ClerkError},
    controls::{ControlOutcome, ControlOutcomes},
    outcome::StepError,
    running_target::RunningTarget,
    tokens::{TokenSource, recipe_line},
    values::{PUBLIC_TOOL, Values},
};
use crate::{case::OTHER, profile::Profile, redact::Redactor, target::Ended, wire::seconds};

/// A target that is ready for requests, and what cases need to test it.
pub(super) struct Fixture {
    pub(super) profile: Profile,
    pub(super) values: Values,
    pub(super) target: RunningTarget,
    pub(super) tokens: TokenSource,
    /// The Clerk of another application, if the case needs one.
    pub(super) other_clerk: Option<ClerkAdmin>,
    pub(super) controls: ControlOutcomes,
    /// The redactor of the run. Learns every token before it is sent.
    pub(super) redactor: Redactor,
}

/// Why there is no fixture.
#[derive(Debug, thiserror::Error)]
pub(super) enum FixtureError {
    #[error("the target did not start: {0}")]
    Target(Ended),
    #[error("the target was not ready within {}, twice: if it starts slowly, give it more time with --start-timeout{}", seconds(*.limit), last_output(.output))]
    NotReady { limit: Duration, output: String },
    #[error("the profile does not map the setting {0:?}")]
    NoSetting(String),
    #[error(transparent)]
    Clerk(#[from] ClerkError),
    #[error("{0}")]
    Setup(String),
}

impl FixtureError {
    pub(super) fn setup(error: impl Into<Box<dyn Error>>) -> Self {
        Self::Setup(error.into().to_string())
    }
}

fn last_output(output: &str) -> String {
    match output.trim() {
        "" => String::new(),
        output => format!("; its last output:\n{output}"),
    }
}

impl Fixture {
    pub(super) fn new(
        profile: &Profile,
        mut values: Values,
        target: RunningTarget,
        clerk: Option<ClerkAdmin>,
        redactor: Redactor,
    ) -> Self {
        for (name, tool) in [
            ("identity_tool", &profile.identity_tool),
            ("admin_tool", &profile.admin_tool),
            (PUBLIC_TOOL, &profile.public_tool),
        ] {
            if let Some(tool) = tool {
                values.set(name, tool);
            }
        }
        if let Some(scope) = profile.scopes.first() {
            values.set("first_scope", scope);
        }
        Self {
            tokens: TokenSource {
                resource: values.fill(&profile.resource).ok(),
                clerk,
                supplied: Vec::new(),
            },
            profile: profile.clone(),
            values,
            target,
            other_clerk: None,
            controls: ControlOutcomes::default(),
            redactor,
        }
    }

    /// Returns the local Clerk that the target uses.
    pub(super) fn clerk(&self) -> Result<&ClerkAdmin, StepError> {
        self.tokens.clerk.as_ref().ok_or_else(StepError::needs_clerk)
    }

    /// Returns the number of requests to each endpoint of Clerk. The names of the other Clerk's endpoints
    /// have a prefix.
    pub(super) async fn request_counts(&self) -> Result<BTreeMap<String, u64>, StepError> {
        let mut counts = self.clerk()?.request_counts().await?;
        if let Some(other) = &self.other_clerk {
            let other = other.request_counts().await?.into_iter();
            counts.extend(other.map(|(name, count)| (format!("{OTHER}{name}"), count)));
        }
        Ok(counts)
    }

    /// Returns a token for the recipe. The redactor learns it.
    pub(super) async fn token(&self, spec: &TokenSpec) -> Result<String, StepError> {
        let (spec, token) = self.tokens.token(spec, &self.profile).await?;
        self.redactor.learn(&token, &recipe_line(&spec));
        Ok(token)
    }

    /// Returns whether the target accepts a control.
    pub(super) async fn control(&self, spec: &TokenSpec) -> Result<ControlOutcome, StepError> {
        let token = self.token(spec).await?;
        let recipe = recipe_line(spec);
        Ok(self
            .controls
            .get(recipe, &token, &self.target, &self.values)
            .await)
    }
}
