//! Targets: the servers under test, started with an environment, and stopped.

mod leader;
mod port;
mod process;

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

pub(crate) use self::{
    port::{free_port, is_taken},
    process::Process,
};

/// A server's environment: what its profile says, with this run's values.
pub type Environment = BTreeMap<String, String>;

/// Starts a server inside this process, for tests of the suite itself.
pub type Launcher = Arc<dyn Fn(Environment) -> Launching + Send + Sync>;

/// A server that is being started.
pub type Launching = Pin<Box<dyn Future<Output = Result<Box<dyn Running>, Ended>> + Send>>;

/// A server that runs inside this process. Dropping it stops it.
pub trait Running: Send + Sync {
    /// How it ended, if it has.
    fn ended(&self) -> Option<Ended> {
        None
    }
}

/// How a server ended that was to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub exit: Option<i32>,
    /// The last of what it printed.
    pub output: String,
}

/// How to get a server to run.
#[derive(Clone)]
pub(crate) enum Start {
    /// By this command of a shell.
    Command(String),
    /// Inside this process.
    Launch(Launcher),
}

/// A server that was started.
pub(crate) enum Started {
    Process(Box<Process>),
    Inside(Box<dyn Running>),
}

impl Start {
    /// Starts the server. It may not be ready yet, or end at once.
    pub(crate) async fn start(&self, environment: Environment, without: &[String]) -> Result<Started, Ended> {
        match self {
            Self::Command(command) => Process::start(command, &environment, without)
                .map(|process| Started::Process(Box::new(process))),
            Self::Launch(launch) => launch(environment).await.map(Started::Inside),
        }
    }
}

impl Started {
    /// How it ended, if it has.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        match self {
            Self::Process(process) => process.ended().await,
            Self::Inside(running) => running.ended(),
        }
    }

    /// The last of what it printed.
    pub(crate) fn output(&self) -> String {
        match self {
            Self::Process(process) => process.output(),
            Self::Inside(_) => String::new(),
        }
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(self) {
        match self {
            Self::Process(process) => process.stop().await,
            Self::Inside(running) => drop(running),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Some(code) => write!(f, "it ended with exit code {code}")?,
            None => write!(f, "it was ended by a signal")?,
        }
        let output = self.output.trim_end();
        if output.is_empty() {
            write!(f, " and printed nothing")
        } else {
            write!(f, "; the last it printed:\n{output}")
        }
    }
}
