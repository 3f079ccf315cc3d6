//! Targets: starts and stops servers under test.

mod port;
mod printed_secrets;
mod process;
mod process_group;

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

pub(crate) use self::{
    port::{free_port, is_taken},
    printed_secrets::PrintedSecrets,
    process::Process,
};

/// The environment variables of a server: its profile's variables, with the values of this run.
pub type Environment = BTreeMap<String, String>;

/// A function that starts a server inside this process, for tests of the suite itself.
pub type Launcher = Arc<dyn Fn(Environment) -> Launching + Send + Sync>;

/// A future that starts a server inside this process.
pub type Launching = Pin<Box<dyn Future<Output = Result<Box<dyn Running>, Ended>> + Send>>;

/// A server that runs inside this process. Dropping it stops it.
pub trait Running: Send + Sync {
    /// Returns how the server ended, or `None` while it runs.
    fn ended(&self) -> Option<Ended> {
        None
    }

    /// Returns everything that the server printed.
    fn output(&self) -> String {
        String::new()
    }
}

/// How a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code, or `None` if a signal terminated the server.
    pub exit: Option<i32>,
    /// The last output of the server.
    pub output: String,
}

/// How to start a server.
#[derive(Clone)]
pub(crate) enum Start {
    /// Run this shell command.
    Command(String),
    /// Start it inside this process.
    Launch(Launcher),
}

/// A server that was started.
pub(crate) enum Started {
    /// A process.
    Process(Box<Process>),
    /// A server inside this process.
    Inside(Box<dyn Running>, PrintedSecrets),
}

impl Start {
    /// Starts the server without waiting until it is ready. A process does not inherit the variables in
    /// `removed`. Everything that the server prints is searched for secrets.
    pub(crate) async fn start(
        &self,
        environment: Environment,
        removed: &[String],
        printed: &PrintedSecrets,
    ) -> Result<Started, Ended> {
        match self {
            Self::Command(command) => Process::start(command, &environment, removed, printed)
                .map(|process| Started::Process(Box::new(process))),
            Self::Launch(launch) => match launch(environment).await {
                Ok(running) => Ok(Started::Inside(running, printed.clone())),
                Err(ended) => {
                    printed.search(&ended.output);
                    Err(ended)
                }
            },
        }
    }
}

impl Started {
    /// Returns how the server ended, or `None` while it runs.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        match self {
            Self::Process(process) => process.ended().await,
            Self::Inside(running, _) => running.ended(),
        }
    }

    /// Returns the last output of the server.
    pub(crate) fn output(&self) -> String {
        match self {
            Self::Process(process) => process.output(),
            Self::Inside(running, _) => running.output(),
        }
    }

    /// Stops the server and waits until it has exited.
    pub(crate) async fn stop(self) {
        match self {
            Self::Process(process) => process.stop().await,
            Self::Inside(running, printed) => printed.search(&running.output()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Some(code) => write!(f, "it exited with code {code}")?,
            None => write!(f, "it was terminated by a signal")?,
        }
        let output = self.output.trim_end();
        if output.is_empty() {
            write!(f, " without output")
        } else {
            write!(f, "; its last output:\n{output}")
        }
    }
}
