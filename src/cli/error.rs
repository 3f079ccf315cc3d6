//! The errors that end the program, and their exit codes.

use std::{fmt, io, net::SocketAddr, process::ExitCode};

use local_clerk::{DirectoryError, StartError};
use thiserror::Error;

use crate::{app::AppError, config::ConfigError};

/// An error that ends the program. `Display` says what is wrong and what to do.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("[Clerk] Cannot listen on {address}: {}. Set {} (--{}) to {}.", PlainIoError(.source), .variable, .variable.to_lowercase().replace('_', "-"), remedy(.variable))]
    Listen {
        address: SocketAddr,
        variable: &'static str,
        source: io::Error,
    },
    #[error("[Clerk] The local Clerk cannot start: {source}{}", ErrorChain(.source))]
    LocalClerk {
        #[from]
        source: StartError,
    },
    #[error("[Clerk] The local Clerk cannot listen on {address}: {}. Set --clerk-port to another port.", PlainIoError(.source))]
    ClerkPort { address: SocketAddr, source: io::Error },
    #[error("[Clerk] The local Clerk cannot make a token: {0}")]
    Token(#[from] DirectoryError),
    #[error("[Clerk] Cannot set up metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[cfg(feature = "otlp")]
    #[error("[Clerk] Cannot export traces: {0}. Check the variables OTEL_EXPORTER_OTLP_*.")]
    Telemetry(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("[Clerk] Missing token: pass it as an argument or on stdin")]
    NoToken,
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
            | Self::Listen { .. }
            | Self::LocalClerk { .. }
            | Self::ClerkPort { .. }
            | Self::Token(_)
            | Self::Metrics(_)
            | Self::Io(_) => ExitCode::FAILURE,
            #[cfg(feature = "otlp")]
            Self::Telemetry(_) => ExitCode::FAILURE,
        }
    }
}

/// Returns what to set `variable` to, after binding an address failed.
fn remedy(variable: &str) -> &'static str {
    match variable {
        "PORT" => "another port, or to 0 for a free port",
        "HOST" => "an address of this machine",
        _ => "another address",
    }
}

/// Formats an I/O error from binding an address, without the operating system's error number.
struct PlainIoError<'a>(&'a io::Error);

impl fmt::Display for PlainIoError<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::AddrInUse => f.write_str("the address is in use by another program"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("permission denied (ports below 1024 usually need root)")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine does not have this address"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// Formats the sources of an error, each after a colon.
struct ErrorChain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The help text for the exit codes of commands that have no codes of their own.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   success, or stopped by a signal
  1   the program could not run, for example because its port is in use
  2   the command line is invalid
  78  the configuration is incomplete or invalid";
