//! The matrix of a policy with the outcomes of its cells.

use serde::{Deserialize, Serialize};

use crate::results::{CaseResult, Results};

/// A cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The caller: the name of an identity, also in a foreign organization, after its membership has ended, or
    /// without a scope.
    pub identity: String,
    /// The tool that the caller calls.
    pub tool: String,
    /// Whether the policy lets the caller do so.
    pub allowed: bool,
}

/// The cells that a run tried.
pub struct Matrix<'a> {
    /// The columns.
    pub tools: Vec<&'a str>,
    /// The rows, in order.
    pub rows: Vec<Row<'a>>,
}

/// The cells of one caller.
pub struct Row<'a> {
    /// The caller.
    pub identity: &'a str,
    /// A cell for each tool, with its result. `None` if the run did not try it.
    pub cells: Vec<Option<(&'a Cell, &'a CaseResult)>>,
}

impl<'a> Matrix<'a> {
    /// Returns the matrix of a run, or `None` if no policy was tried.
    pub fn of(results: &'a Results) -> Option<Self> {
        let cells = || {
            results
                .cases
                .iter()
                .filter_map(|case| Some((case.cell.as_ref()?, case)))
        };
        let mut tools: Vec<&str> = cells().map(|(cell, _)| cell.tool.as_str()).collect();
        let mut identities: Vec<&str> = cells().map(|(cell, _)| cell.identity.as_str()).collect();
        for names in [&mut tools, &mut identities] {
            names.sort_unstable();
            names.dedup();
        }
        let row = |identity: &'a str| Row {
            identity,
            cells: tools
                .iter()
                .map(|tool| cells().find(|(cell, _)| cell.identity == identity && cell.tool == *tool))
                .collect(),
        };
        let rows: Vec<Row<'a>> = identities.into_iter().map(row).collect();
        (!rows.is_empty()).then_some(Self { tools, rows })
    }
}

impl Cell {
    /// Describes what the policy says: `allowed`.
    pub fn describe(&self) -> &'static str {
        if self.allowed { "allowed" } else { "denied" }
    }
}
