//! The target for all cases that do not need one of their own. It is restarted when a case ends it.

use std::sync::Arc;

use local_clerk::mint::TokenSpec;
use tokio::sync::Mutex;

use super::{
    controls::ControlOutcome,
    error::RunError,
    fixture::{Fixture, FixtureError},
    outcome::StepError,
    startup::TargetStarter,
};

/// How often a control is sent while other cases end the target.
const CONTROL_ATTEMPTS: usize = 3;

pub(super) struct SharedTarget<'a> {
    current: Mutex<Arc<Fixture>>,
    /// `None` for a target that was already running.
    starter: Option<&'a TargetStarter<'a>>,
    /// Why the target could not be restarted after a case ended it.
    restart_error: Mutex<Option<String>>,
}

impl<'a> SharedTarget<'a> {
    pub(super) fn new(fixture: Fixture, starter: Option<&'a TargetStarter<'a>>) -> Self {
        Self {
            current: Mutex::new(Arc::new(fixture)),
            starter,
            restart_error: Mutex::default(),
        }
    }

    /// Returns the target as it is now. It may have ended.
    pub(super) async fn current(&self) -> Arc<Fixture> {
        Arc::clone(&*self.current.lock().await)
    }

    /// Returns why the target is gone for good, if it is.
    pub(super) async fn restart_error(&self) -> Option<String> {
        self.restart_error.lock().await.clone()
    }

    /// Restarts the target after a case ended it. An error fails the whole run, and later cases are not
    /// testable.
    pub(super) async fn restart(&self, ended: &Arc<Fixture>) -> Result<(), FixtureError> {
        let restarted = self.replace(ended).await;
        if let Err(error) = &restarted {
            let mut first_error = self.restart_error.lock().await;
            first_error.get_or_insert_with(|| error.to_string());
        }
        restarted
    }

    /// Returns whether the target accepts a control. Sends it again if another case just ended the target.
    pub(super) async fn control(&self, spec: &TokenSpec) -> Result<ControlOutcome, StepError> {
        let mut attempts = CONTROL_ATTEMPTS;
        loop {
            let fixture = self.running().await;
            let outcome = fixture.control(spec).await?;
            attempts -= 1;
            if matches!(outcome, ControlOutcome::Accepted)
                || attempts == 0
                || fixture.target.ended_or_ending().await.is_none()
            {
                return Ok(outcome);
            }
        }
    }

    /// Stops the target. Returns its rejection of an undamaged token if it accepted none.
    ///
    /// # Errors
    /// [`RunError::Ended`], when the target ended after the last case, or could not be restarted.
    pub(super) async fn finish(self) -> Result<Option<String>, RunError> {
        let fixture = self.current.into_inner();
        let ended = fixture.target.ended().await;
        let rejection = fixture.controls.first_if_all_rejected();
        if let Some(fixture) = Arc::into_inner(fixture) {
            fixture.target.stop().await;
        }
        match (self.restart_error.into_inner(), ended) {
            (Some(error), _) => Err(RunError::Ended(format!(" and could not be restarted: {error}"))),
            (None, Some(ended)) => Err(RunError::Ended(format!(": {ended}"))),
            (None, None) => Ok(rejection),
        }
    }

    /// Returns the target, restarted if it has ended and can be restarted.
    async fn running(&self) -> Arc<Fixture> {
        let fixture = self.current().await;
        if fixture.target.ended().await.is_none() || self.replace(&fixture).await.is_err() {
            return fixture;
        }
        self.current().await
    }

    /// Replaces the target with a new one, unless another case already has.
    async fn replace(&self, ended: &Arc<Fixture>) -> Result<(), FixtureError> {
        let mut current = self.current.lock().await;
        if let Some(starter) = self.starter
            && Arc::ptr_eq(&current, ended)
        {
            *current = Arc::new(starter.start(None).await?);
        }
        Ok(())
    }
}
