//! The JSON report: the complete results, for programs and for `compare`.

use serde::Serialize;

use super::sanitize;
use crate::{
    assessment::{Assessment, ClientAnswer, Connects, Group, Severity},
    policy::{Matrix, Row},
    results::{CaseResult, Outcome, Results, Summary},
};

/// The results, preceded by what follows from them. That part is for readers of the file; `compare` ignores it.
#[derive(Serialize)]
struct Document<'a> {
    summary: Summary,
    verdict: Verdict<'a>,
    causes: Vec<Cause<'a>>,
    clients: Vec<Client>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyMatrix<'a>>,
    #[serde(flatten)]
    results: &'a Results,
}

#[derive(Serialize)]
struct Verdict<'a> {
    title: &'static str,
    reasons: &'a str,
}

#[derive(Serialize)]
struct Cause<'a> {
    id: &'a str,
    severity: Severity,
    title: &'a str,
    consequence: &'a str,
    fix: Option<&'a str>,
    failed: Vec<&'a str>,
    warned: Vec<&'a str>,
}

#[derive(Serialize)]
struct Client {
    name: &'static str,
    connects: Connects,
    because: Vec<&'static str>,
    rule: &'static str,
    source: &'static str,
}

/// The matrix of the policy. The cells of a row are in the order of the tools.
#[derive(Serialize)]
struct PolicyMatrix<'a> {
    tools: Vec<&'a str>,
    rows: Vec<PolicyRow<'a>>,
}

#[derive(Serialize)]
struct PolicyRow<'a> {
    identity: &'a str,
    cells: Vec<Option<PolicyCell<'a>>>,
}

#[derive(Serialize)]
struct PolicyCell<'a> {
    case: &'a str,
    allowed: bool,
    outcome: Outcome,
}

pub(super) fn render(results: &Results) -> Result<String, serde_json::Error> {
    let assessment = Assessment::of(results);
    sanitize::to_json(&Document {
        summary: results.summary(),
        verdict: Verdict {
            title: assessment.verdict.title,
            reasons: &assessment.verdict.reasons,
        },
        causes: assessment.groups.iter().map(Cause::of).collect(),
        clients: assessment.clients.into_iter().map(Client::of).collect(),
        policy: Matrix::of(results).map(PolicyMatrix::of),
        results,
    })
}

impl<'a> PolicyMatrix<'a> {
    fn of(matrix: Matrix<'a>) -> Self {
        let row = |row: Row<'a>| PolicyRow {
            identity: row.identity,
            cells: row
                .cells
                .into_iter()
                .map(|cell| {
                    cell.map(|(cell, case)| PolicyCell {
                        case: &case.id,
                        allowed: cell.allowed,
                        outcome: case.outcome,
                    })
                })
                .collect(),
        };
        Self {
            tools: matrix.tools,
            rows: matrix.rows.into_iter().map(row).collect(),
        }
    }
}

impl<'a> Cause<'a> {
    fn of(group: &Group<'a>) -> Self {
        let ids = |cases: &[&'a CaseResult]| cases.iter().map(|case| case.id.as_str()).collect();
        Self {
            id: group.id,
            severity: group.severity,
            title: group.title,
            consequence: group.consequence,
            fix: group.fix,
            failed: ids(&group.failed),
            warned: ids(&group.warned),
        }
    }
}

impl Client {
    fn of(answer: ClientAnswer) -> Self {
        let ClientAnswer {
            client,
            connects,
            because,
        } = answer;
        Self {
            name: &client.name,
            connects,
            because,
            rule: &client.rule,
            source: &client.source,
        }
    }
}
