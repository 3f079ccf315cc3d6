//! `--report`: opens the report files before the run, so that errors show early, and writes them after it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context as _;
use clerk_mcp_conformance::{
    report::{Format, Style},
    results::Results,
};

use super::{print, terminal_style};

/// The format of a report, and its file if it does not go to stdout.
#[derive(Clone)]
pub(crate) struct ReportArgument(Format, Option<PathBuf>);

impl FromStr for ReportArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the file name after = is missing".to_owned()),
            Some((format, file)) => (format, Some(file.into())),
            None => (text, None),
        };
        let format = format.parse::<Format>().map_err(|error| error.to_string())?;
        Ok(Self(format, file))
    }
}

/// The reports to write.
pub(crate) struct Reports {
    /// The format on stdout.
    stdout: Format,
    files: Vec<ReportFile>,
}

/// An open report file.
struct ReportFile {
    format: Format,
    path: PathBuf,
    file: File,
    /// Whether the file was created for this run. Such a file is removed if the run produces no report.
    is_new: bool,
}

impl Reports {
    /// Opens all files. Keeps their content until the run has a result.
    pub(crate) fn open(arguments: &[ReportArgument]) -> anyhow::Result<Self> {
        let mut stdout = None;
        let mut files: Vec<ReportFile> = Vec::new();
        for ReportArgument(format, file) in arguments {
            let Some(path) = file else {
                anyhow::ensure!(
                    stdout.is_none(),
                    "two reports cannot go to stdout: write one of them to a file with --report {format}=FILE"
                );
                stdout = Some(*format);
                continue;
            };
            let opened = ReportFile::open(*format, path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::ensure!(
                files.iter().all(|other| !opened.is_same_file(other)),
                "two reports cannot go to {}",
                path.display()
            );
            files.push(opened);
        }
        Ok(Self {
            stdout: stdout.unwrap_or(Format::Terminal),
            files,
        })
    }

    /// Writes all reports, beginning with stdout. If one fails, the others are still written.
    pub(crate) fn write(self, results: &Results, verbose: bool) -> anyhow::Result<()> {
        let style = Style {
            verbose,
            ..terminal_style()
        };
        let mut errors: Vec<String> = Vec::new();
        let mut collect_error = |written: anyhow::Result<()>| {
            errors.extend(written.err().map(|error| format!("{error:#}")));
        };
        collect_error(
            self.stdout
                .render(results, style)
                .map_err(Into::into)
                .and_then(|report| print(&report)),
        );
        for mut file in self.files {
            let path = file.path.display().to_string();
            let written = file
                .format
                .render(results, style)
                .map_err(anyhow::Error::from)
                .and_then(|report| Ok(file.write(&report)?));
            collect_error(written.with_context(|| format!("cannot write {path}")));
        }
        anyhow::ensure!(errors.is_empty(), errors.join("\n"));
        Ok(())
    }
}

impl ReportFile {
    /// Opens or creates the file without truncating it.
    fn open(format: Format, path: &Path) -> io::Result<Self> {
        let is_new = !path.try_exists()?;
        Ok(Self {
            format,
            path: path.to_owned(),
            file: OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?,
            is_new,
        })
    }

    /// Returns whether both are the same regular file. Devices such as `/dev/stderr` can take several
    /// reports.
    fn is_same_file(&self, other: &Self) -> bool {
        let canonical = |file: &Self| fs::canonicalize(&file.path).ok();
        self.path.is_file() && canonical(self).is_some_and(|path| canonical(other) == Some(path))
    }

    /// Replaces the content of the file.
    fn write(&mut self, report: &str) -> io::Result<()> {
        self.is_new = false;
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(report.as_bytes())
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if self.is_new {
            // Best effort: a leftover empty file does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}
