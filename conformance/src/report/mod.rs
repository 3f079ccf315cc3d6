//! Renders [`Results`] in six formats, for people, programs and CI systems.
//!
//! A report only presents results. Text from a target is untrusted: a header can contain terminal escape
//! sequences, and a body can contain markup. Each format escapes such text.

mod html;
mod json;
mod junit;
mod markdown;
mod sanitize;
mod sarif;
mod status;
mod terminal;
mod text_writer;

use std::{fmt, str::FromStr};

use clap::ValueEnum;

pub(crate) use self::{
    sanitize::{excerpt, line, lines},
    text_writer::{BAD, DIM, DOUBTFUL, GOOD, PLAIN, Prefix, TextWriter},
};
use crate::results::Results;

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Format {
    /// Text for a terminal.
    Terminal,
    /// The complete results with a `summary`. Input of `compare`.
    Json,
    /// JUnit XML, which most CI systems can show.
    Junit,
    /// SARIF 2.1.0, for GitHub code scanning and similar tools.
    Sarif,
    /// GitHub Markdown, for job summaries.
    Markdown,
    /// One self-contained page.
    Html,
}

/// The style of a terminal report. Other formats ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colors. The text is complete without them.
    pub color: bool,
    /// The width of the terminal in columns. Commands and URLs are not wrapped and can be longer.
    pub width: usize,
    /// Whether to show every section, every finding in detail, and every case that does not apply.
    pub verbose: bool,
}

/// A report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Serialization as JSON or SARIF failed.
    #[error("cannot render the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Serialization as JUnit XML failed.
    #[error("cannot render the report as XML: {0}")]
    Xml(#[from] quick_junit::SerializeError),
    /// The HTML template failed.
    #[error("cannot render the report as HTML: {0}")]
    Html(#[from] askama::Error),
}

/// The name of a report format is unknown.
#[derive(Debug, thiserror::Error)]
#[error("unknown format {0:?}: expected one of {all}", all = Format::names().join(", "))]
pub struct UnknownFormat(String);

impl Format {
    /// Returns the name on the command line, such as `terminal`.
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

    /// Renders the report. It ends with a newline. The same results always produce the same text.
    ///
    /// # Errors
    ///
    /// Returns [`RenderError`] if serialization fails.
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
            color: false,
            width: 80,
            verbose: false,
        }
    }
}
