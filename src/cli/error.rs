//! The errors that end the program, and their exit codes.

use std::{io, process::ExitCode};

use thiserror::Error;

use super::init::InitError;
use crate::{
    app::{AppError, DemoError, ListenError},
    config::ConfigError,
};

/// An error that ends the program. `Display` says what is wrong and what to do.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("{}{}", .0, demo_hint(.0))]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Demo(DemoError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error("[Clerk] Cannot set up metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[cfg(feature = "otlp")]
    #[error("[Clerk] Cannot export traces: {0}. Check the variables OTEL_EXPORTER_OTLP_*.")]
    Telemetry(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("[Clerk] Missing token: pass it as an argument or on stdin")]
    NoToken,
    #[error(
        "[Clerk] This is the secret key, not a token. Revoke it in Clerk Dashboard > Configure > API keys if you pasted \
         it anywhere."
    )]
    SecretKey,
    #[error("[Clerk] I/O error: {0}")]
    Io(#[from] io::Error),
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            // sysexits.h: EX_CONFIG.
            Self::Config(_) => ExitCode::from(78),
            // The exit code that clap uses for an invalid command line.
            Self::NoToken => ExitCode::from(2),
            Self::App(_)
            | Self::Listen(_)
            | Self::Demo(_)
            | Self::Init(_)
            | Self::SecretKey
            | Self::Metrics(_)
            | Self::Io(_) => ExitCode::FAILURE,
            #[cfg(feature = "otlp")]
            Self::Telemetry(_) => ExitCode::FAILURE,
        }
    }
}

impl From<DemoError> for Failure {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these have an exit code of their own"
    )]
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Config(error) => Self::Config(error),
            error => Self::Demo(error),
        }
    }
}

/// Returns the sentence to print if variables are missing. A server of your own has no such command, so
/// [`ConfigError`] itself does not contain it.
pub(super) fn demo_hint(error: &ConfigError) -> &'static str {
    if error.is_incomplete() {
        "\nWithout a Clerk account, run `clerk-mcp demo`: it needs no configuration."
    } else {
        ""
    }
}

/// The help text for the exit codes of commands that have no codes of their own.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   success, or stopped by a signal
  1   the program could not run, for example because its port is in use
  2   the command line is invalid
  78  the configuration is incomplete or invalid";
