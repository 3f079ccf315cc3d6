//! The subcommands.

pub(crate) mod clerk;
mod clerk_text;
pub(crate) mod compare;
pub(crate) mod explain;
mod interrupt;
pub(crate) mod list;
pub(crate) mod mint;
mod progress;
mod reports;
pub(crate) mod run;
pub(crate) mod schema;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{case::Catalogue, report::Style};
use url::Url;

/// How the program ends when it has done what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing was found.
    Clean,
    /// Something was found.
    Findings,
    /// A signal of this number came first.
    Interrupted(u8),
}

/// Which cases there are.
#[derive(Args)]
pub(crate) struct CasesArgument {
    /// Cases in this folder, instead of those that come with the program.
    #[arg(long, value_name = "FOLDER")]
    cases: Option<PathBuf>,
}

impl CasesArgument {
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.cases.as_deref()
    }

    pub(crate) fn catalogue(&self) -> anyhow::Result<Catalogue> {
        Ok(match &self.cases {
            Some(folder) => Catalogue::read(folder)?,
            None => Catalogue::built_in()?,
        })
    }
}

/// How to write for the terminal that stdout is, if it is one: with colours unless the environment says otherwise
/// (`NO_COLOR`), and as wide.
pub(crate) fn terminal_style() -> Style {
    Style {
        colour: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        width: terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)),
    }
}

/// A URL that can be shown to anybody. What was given is not repeated, for it may be what can't.
pub(crate) fn bare_url(option: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .with_context(|| format!("{option} is no http or https URL"))?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    anyhow::ensure!(
        is_bare,
        "{option} has a user, query or fragment, and reports would show it: leave it out, and give a token by \
         --token KIND=FILE"
    );
    Ok(url)
}

/// Prints, and flushes: a script may be waiting for it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
    match written {
        // Whoever reads has read enough, `head` for example.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}
