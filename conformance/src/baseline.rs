//! The baseline: known failures, each with a reason, so that only new failures fail the run.
//!
//! A stale entry also fails the run: one whose case passes now, or that names no case.

use std::{collections::BTreeMap, fs, path::Path};

use local_clerk::position::toml_fault;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::results::{CaseResult, Outcome, StaleEntry};

/// The known failures: case ids, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline(BTreeMap<String, String>);

/// A baseline file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BaselineFile {
    /// The known failures.
    #[serde(default)]
    known: Vec<KnownFailure>,
}

/// One known failure.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KnownFailure {
    /// The id of the case.
    case: String,
    /// Why the failure is accepted.
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
    /// [`BaselineError`], when the file cannot be read or is invalid, names a case twice, or has an empty
    /// reason.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| BaselineError {
            name: name.clone(),
            message: format!("cannot read the file: {error}"),
        })?;
        Self::parse(&name, &text)
    }

    /// Parses a baseline. Errors contain `name`.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn parse(name: &str, text: &str) -> Result<Self, BaselineError> {
        let error = |message: String| BaselineError {
            name: name.to_owned(),
            message,
        };
        let file: BaselineFile = toml::from_str(text).map_err(|invalid| error(toml_fault(text, &invalid)))?;
        let mut known = BTreeMap::new();
        for KnownFailure { case, reason } in file.known {
            if reason.trim().is_empty() {
                return Err(error(format!(
                    "{case}: the reason is empty: say why the case may fail"
                )));
            }
            if known.insert(case.clone(), reason).is_some() {
                return Err(error(format!("{case} is listed twice")));
            }
        }
        Ok(Self(known))
    }

    /// Marks the known failures, and returns the stale entries. `all` are the ids of all cases, because an
    /// entry whose case was not selected is not stale.
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

/// Returns the JSON Schema of a baseline file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(BaselineFile)
}
