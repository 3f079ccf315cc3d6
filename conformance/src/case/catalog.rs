//! Loads case files, from the program or from a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};

use super::{Case, CaseFile, Section, validation::validate};
use crate::{policy, profile::Profile};

/// The case files in the program.
static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/cases");

/// All cases, validated and sorted by section and id.
#[derive(Clone, Debug)]
pub struct Catalog {
    cases: Vec<(Section, Case)>,
}

/// Why cases cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The folder, or a file in it, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The folder contains no case file.
    #[error("{}: the folder contains no .toml file", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A case file is invalid.
    #[error("{file}:{line}: {message}")]
    Invalid {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The problem.
        message: String,
    },
}

impl Catalog {
    /// Loads the cases that are built into the program.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`], when the program was built with an invalid file.
    pub fn built_in() -> Result<Self, CatalogError> {
        let mut files = Vec::new();
        read_built_in(&BUILT_IN, &mut files);
        Self::parse(files)
    }

    /// Loads the cases in a folder and its subfolders.
    ///
    /// # Errors
    ///
    /// [`CatalogError`], when a file cannot be read or is invalid, or there is none.
    pub fn read(folder: &Path) -> Result<Self, CatalogError> {
        let mut files = Vec::new();
        read_folder(folder, &mut files)?;
        if files.is_empty() {
            return Err(CatalogError::Empty {
                path: folder.to_owned(),
            });
        }
        Self::parse(files)
    }

    /// Parses case files, given as pairs of name and text. Errors contain the name.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`].
    pub fn parse(mut files: Vec<(String, String)>) -> Result<Self, CatalogError> {
        files.sort();
        let mut sections: BTreeMap<u8, Section> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let mut cases = Vec::new();
        for (name, text) in &files {
            let file: CaseFile = toml::from_str(text).map_err(|error| {
                let start = error.span().map_or(0, |span| span.start);
                invalid(name, line_at(text, start), error.message())
            })?;
            let section = Section {
                number: file.number,
                key: file.section,
                title: file.title,
            };
            let first = sections.entry(section.number).or_insert_with(|| section.clone());
            if *first != section {
                let message = format!(
                    "section {} is {:?} ({:?}) in another file",
                    section.number, first.key, first.title
                );
                return Err(invalid(name, line_of(text, "number"), message));
            }
            for mut case in file.cases {
                case.issuer = file.issuer;
                let mut validated = validate(&section, &case);
                if validated.is_ok() && !ids.insert(case.id.clone()) {
                    validated = Err("another case has the same id".to_owned());
                }
                validated.map_err(|message| {
                    let line = line_of(text, &format!("\"{}\"", case.id));
                    invalid(name, line, format!("{}: {message}", case.id))
                })?;
                cases.push((section.clone(), case));
            }
        }
        cases.sort_by(|(one, a), (other, b)| (one.number, &a.id).cmp(&(other.number, &b.id)));
        Ok(Self { cases })
    }

    /// Returns the catalog with a case for every cell of the profile's policy.
    #[must_use]
    pub fn with_policy(&self, profile: &Profile) -> Self {
        let last = self.cases.last().map_or(0, |(section, _)| section.number);
        let (section, cells) = policy::cases(profile, last.saturating_add(1));
        let mut catalog = self.clone();
        catalog
            .cases
            .extend(cells.into_iter().map(|cell| (section.clone(), cell)));
        catalog
    }

    /// Returns every case with its section.
    pub fn iter(&self) -> impl Iterator<Item = (&Section, &Case)> {
        self.cases.iter().map(|(section, case)| (section, case))
    }

    /// Returns the case with this id.
    pub fn find(&self, id: &str) -> Option<(&Section, &Case)> {
        self.iter().find(|(_, case)| case.id == id)
    }

    /// Returns the ids of all cases.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|(_, case)| case.id.as_str())
    }

    /// Returns the number of cases.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Returns whether there are no cases.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

fn read_built_in(folder: &Dir<'static>, files: &mut Vec<(String, String)>) {
    for file in folder.files() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "toml")
            && let Some(text) = file.contents_utf8()
        {
            files.push((format!("cases/{}", path.display()), text.to_owned()));
        }
    }
    for folder in folder.dirs() {
        read_built_in(folder, files);
    }
}

fn read_folder(folder: &Path, files: &mut Vec<(String, String)>) -> Result<(), CatalogError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            read_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            files.push((path.display().to_string(), text));
        }
    }
    Ok(())
}

fn invalid(file: &str, line: usize, message: impl Into<String>) -> CatalogError {
    CatalogError::Invalid {
        file: file.to_owned(),
        line,
        message: message.into(),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// Returns the first line that contains `needle`, or 1.
fn line_of(text: &str, needle: &str) -> usize {
    line_at(text, text.find(needle).unwrap_or(0))
}
