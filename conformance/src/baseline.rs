//! The baseline: failures that are known, each with a reason, so that a CI fails by new ones only.
//!
//! It cannot rot: an entry whose case passes now, or that names no case, fails the run as well.

use std::{collections::BTreeMap, fs, path::Path};

use schemars::JsonSchema;
use serde::Deserialize;

use local_clerk::position::toml_fault;

use crate::results::{CaseResult, Outcome, StaleEntry};

/// Known failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline(BTreeMap<String, String>);

/// The file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Known>,
}

/// One known failure.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Known {
    /// The id of the case.
    case: String,
    /// Why it is accepted that it fails.
    reason: String,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {message}")]
pub struct BaselineError {
    name: String,
    message: String,
}

impl Baseline {
    /// Reads the file at `path`:
    ///
    /// ```toml
    /// [[known]]
    /// case = "claims.audience-of-another-server"
    /// reason = "Our clients cannot send `resource` yet: ISSUE-12."
    /// ```
    ///
    /// # Errors
    ///
    /// [`BaselineError`], with the place, when the file cannot be read, is no such TOML, names a case twice or gives
    /// an empty reason.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| BaselineError {
            name: name.clone(),
            message: format!("cannot be read: {error}"),
        })?;
        Self::parse(&name, &text)
    }

    /// The same for a text; `name` is for messages.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn parse(name: &str, text: &str) -> Result<Self, BaselineError> {
        let error = |message: String| BaselineError {
            name: name.to_owned(),
            message,
        };
        let file: File = toml::from_str(text).map_err(|wrong| error(toml_fault(text, &wrong)))?;
        let mut known = BTreeMap::new();
        for Known { case, reason } in file.known {
            if reason.trim().is_empty() {
                return Err(error(format!("{case}: the reason is empty; say why it may fail")));
            }
            if known.insert(case.clone(), reason).is_some() {
                return Err(error(format!("{case} is there twice")));
            }
        }
        Ok(Self(known))
    }

    /// Marks the failures that are known, and says which entries are stale. `all` are the ids of every case there
    /// is: an entry whose case was not selected is not stale.
    pub fn apply<'a>(
        &self,
        cases: &mut [CaseResult],
        all: impl IntoIterator<Item = &'a str>,
    ) -> Vec<StaleEntry> {
        let all: Vec<&str> = all.into_iter().collect();
        let mut stale = Vec::new();
        for (id, reason) in &self.0 {
            let problem = match cases.iter_mut().find(|case| &case.id == id) {
                Some(case) if case.outcome.is_failure() || case.outcome == Outcome::Warn => {
                    case.known = Some(reason.clone());
                    continue;
                }
                Some(case) if case.outcome == Outcome::Pass => "passes now: remove the entry",
                Some(_) => continue,
                None if all.contains(&id.as_str()) => continue,
                None => "names no case: correct or remove the entry",
            };
            stale.push(StaleEntry {
                case: id.clone(),
                problem: problem.to_owned(),
            });
        }
        stale
    }
}

/// The schema of the file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}
