//! The subcommands.

pub(crate) mod clerk;
mod clerk_output;
pub(crate) mod compare;
pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod mint;
mod progress;
mod reports;
pub(crate) mod run;
pub(crate) mod schema;
mod signals;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{case::Catalog, report::Style};
use url::Url;

/// The outcome of a command that completed without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    /// No findings.
    Clean,
    /// Findings or regressions.
    Findings,
    /// Stopped by the signal with this number.
    Interrupted(u8),
}

/// The option that selects the folder of cases.
#[derive(Args)]
pub(crate) struct CasesArgument {
    /// Use the cases in this folder instead of the built-in cases.
    #[arg(long, value_name = "FOLDER")]
    cases: Option<PathBuf>,
}

impl CasesArgument {
    /// Returns the folder, if it was given.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.cases.as_deref()
    }

    /// Reads the cases.
    pub(crate) fn catalog(&self) -> anyhow::Result<Catalog> {
        Ok(match &self.cases {
            Some(folder) => Catalog::read(folder)?,
            None => Catalog::built_in()?,
        })
    }
}

/// Returns the style for stdout: the width of the terminal, and colors unless stdout is not a terminal or the
/// environment disables them (`NO_COLOR`).
pub(crate) fn terminal_style() -> Style {
    Style {
        color: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        width: terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)),
        verbose: false,
    }
}

/// Parses a URL that reports can show. Errors do not repeat the argument, because it may contain a secret.
pub(crate) fn bare_url(option: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .with_context(|| format!("{option} is not an http or https URL"))?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    anyhow::ensure!(
        is_bare,
        "{option} has a user, query or fragment, which reports would show. Remove it, and pass tokens with \
         --token KIND=FILE"
    );
    Ok(url)
}

/// Prints `text` and flushes stdout, because a script may be waiting for it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
    match written {
        // The reader, for example `head`, has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}
