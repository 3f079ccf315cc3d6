//! Why the program ends, and with which exit code.

use std::{fmt, io, net::SocketAddr, process::ExitCode};

use local_clerk::{DirectoryError, StartError};
use thiserror::Error;

use crate::{app::AppError, config::ConfigError};

/// Why the program ends. `Display` says what is wrong and what to do.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("[Clerk] Can't listen on {address}: {}. Set {} (--{}) to another one{}.", PlainIoError(.source), .variable, .variable.to_lowercase().replace('_', "-"), if *.variable == "PORT" { ", or to 0 for a free one" } else { "" })]
    Listen {
        address: SocketAddr,
        variable: &'static str,
        source: io::Error,
    },
    #[error("[Clerk] The local Clerk could not start: {source}{}", ErrorChain(.source))]
    LocalClerk {
        #[from]
        source: StartError,
    },
    #[error("[Clerk] The local Clerk can't listen on {address}: {}. Give it another --clerk-port.", PlainIoError(.source))]
    ClerkPort { address: SocketAddr, source: io::Error },
    #[error("[Clerk] The local Clerk could not make a token: {0}")]
    Token(#[from] DirectoryError),
    #[error("[Clerk] The metrics could not be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("[Clerk] There is no token: give it as an argument or on stdin")]
    NoToken,
    #[error("[Clerk] Something broke: {0}")]
    Io(#[from] io::Error),
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            // sysexits.h: EX_CONFIG.
            Self::Config(_) => ExitCode::from(78),
            // That of a wrong command line, as clap has it.
            Self::NoToken => ExitCode::from(2),
            Self::App(_)
            | Self::Listen { .. }
            | Self::LocalClerk { .. }
            | Self::ClerkPort { .. }
            | Self::Token(_)
            | Self::Metrics(_)
            | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}

/// An I/O error in words, without the operating system's number.
struct PlainIoError<'a>(&'a io::Error);

impl fmt::Display for PlainIoError<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::AddrInUse => f.write_str("another program listens there"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("this user may not (ports below 1024 are for root)")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine has no such address"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// What an error came from, one after the other.
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

/// The exit codes, for the help of the commands that have no others.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   stopped by a signal, or done
  1   could not run: the address is taken, or something broke
  2   the command line is wrong
  78  the configuration is missing or wrong";
