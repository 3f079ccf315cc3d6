//! Reports: six views of one [`Results`], for people, for programs and for a CI.
//!
//! A report adds nothing to the results and judges nothing. What a target sent is hostile: a header may hold escape
//! sequences for the terminal, a body may hold markup for the page. Each view writes such text so that it stays text.

mod html;
mod json;
mod junit;
mod markdown;
mod plain;
mod sarif;
mod screen;
mod standing;
mod terminal;

use std::{fmt, str::FromStr};

use clap::ValueEnum;

pub(crate) use self::{
    plain::{excerpt, line, lines},
    screen::{BAD, DIM, DOUBTFUL, GOOD, Lead, PLAIN, Screen},
};
use crate::results::Results;

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Format {
    /// For people, in a terminal.
    Terminal,
    /// The results themselves, with a `summary`; it can be read back.
    Json,
    /// JUnit's XML, which every CI can show.
    Junit,
    /// SARIF 2.1.0, for GitHub code scanning and its like.
    Sarif,
    /// GitHub's Markdown, for the summary of a CI job.
    Markdown,
    /// One page that needs nothing else.
    Html,
}

/// How a report for the terminal is set. Other formats take no notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour it. It can be read without.
    pub colour: bool,
    /// The width of the terminal, in columns. Commands and addresses are never broken, and may be longer.
    pub width: usize,
}

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As JSON or SARIF.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// As JUnit's XML.
    #[error("the report cannot be written as XML: {0}")]
    Xml(#[from] quick_junit::SerializeError),
    /// As HTML.
    #[error("the report cannot be written as HTML: {0}")]
    Html(#[from] askama::Error),
}

/// There is no such format.
#[derive(Debug, thiserror::Error)]
#[error("there is no format {0:?}: there are {all}", all = Format::names().join(", "))]
pub struct UnknownFormat(String);

impl Format {
    /// What it is called on the command line: `terminal`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// The report, with a line end at its end. The same results give the same text.
    ///
    /// # Errors
    ///
    /// [`RenderError`], when a writer of the format fails.
    pub fn render(self, results: &Results, style: Style) -> Result<String, RenderError> {
        match self {
            Self::Terminal => Ok(terminal::render(results, style)),
            Self::Json => Ok(json::render(results)?),
            Self::Junit => Ok(junit::render(results)?),
            Self::Sarif => Ok(sarif::render(results)?),
            Self::Markdown => Ok(markdown::render(results)),
            Self::Html => Ok(html::render(results)?),
        }
    }

    fn names() -> Vec<&'static str> {
        Self::value_variants()
            .iter()
            .map(|format| format.name())
            .collect()
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::value_variants()
            .iter()
            .copied()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colour: false,
            width: 80,
        }
    }
}
