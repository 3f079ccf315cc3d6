//! `--report`: the files are opened before a run that may take minutes, and written after it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context as _;
use clerk_mcp_conformance::{report::Format, results::Results};

use super::{print, terminal_style};

/// A format, and where it goes.
#[derive(Clone)]
pub(crate) struct ReportArgument(Format, Option<PathBuf>);

impl FromStr for ReportArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the name of the file is missing after =".to_owned()),
            Some((format, file)) => (format, Some(file.into())),
            None => (text, None),
        };
        let format = format.parse::<Format>().map_err(|error| error.to_string())?;
        Ok(Self(format, file))
    }
}

/// Reports to write, each with the place where it can be.
pub(crate) struct Reports {
    /// That on stdout.
    shown: Format,
    files: Vec<Place>,
}

/// A file that is open for a report.
struct Place {
    format: Format,
    path: PathBuf,
    file: File,
    /// Made for this run: it goes away again when the run brings no report.
    is_new: bool,
}

impl Reports {
    /// Opens every file, which loses nothing that is in it.
    pub(crate) fn open(arguments: &[ReportArgument]) -> anyhow::Result<Self> {
        let mut shown = None;
        let mut files: Vec<Place> = Vec::new();
        for ReportArgument(format, file) in arguments {
            let Some(path) = file else {
                anyhow::ensure!(
                    shown.is_none(),
                    "two reports cannot go to stdout: give one of them a file, --report {format}=FILE"
                );
                shown = Some(*format);
                continue;
            };
            let place =
                Place::open(*format, path).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::ensure!(
                files.iter().all(|other| !place.is(other)),
                "two reports cannot go to {}",
                path.display()
            );
            files.push(place);
        }
        Ok(Self {
            shown: shown.unwrap_or(Format::Terminal),
            files,
        })
    }

    /// Writes what can be written, that on stdout first.
    pub(crate) fn write(self, results: &Results) -> anyhow::Result<()> {
        let style = terminal_style();
        let mut trouble: Vec<String> = Vec::new();
        let mut note = |written: anyhow::Result<()>| {
            trouble.extend(written.err().map(|error| format!("{error:#}")));
        };
        note(
            self.shown
                .render(results, style)
                .map_err(Into::into)
                .and_then(|report| print(&report)),
        );
        for mut place in self.files {
            let path = place.path.display().to_string();
            let written = place
                .format
                .render(results, style)
                .map_err(anyhow::Error::from)
                .and_then(|report| Ok(place.write(&report)?));
            note(written.with_context(|| format!("cannot write {path}")));
        }
        anyhow::ensure!(trouble.is_empty(), trouble.join("\n"));
        Ok(())
    }
}

impl Place {
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

    /// Whether both are the same file. What is no file, `/dev/stderr` for example, can take many.
    fn is(&self, other: &Self) -> bool {
        let real = |place: &Self| fs::canonicalize(&place.path).ok();
        self.path.is_file() && real(self).is_some_and(|path| real(other) == Some(path))
    }

    fn write(&mut self, report: &str) -> io::Result<()> {
        self.is_new = false;
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(report.as_bytes())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_new {
            // An empty file is no report; if it stays, nothing is lost.
            let _ = fs::remove_file(&self.path);
        }
    }
}
