//! The JSON report: the complete results, for programs and for `compare`.

use serde::Serialize;

use super::sanitize;
use crate::results::{Results, Summary};

/// The results, preceded by the counts. The counts are for readers of the file; `compare` ignores them.
#[derive(Serialize)]
struct Document<'a> {
    summary: Summary,
    #[serde(flatten)]
    results: &'a Results,
}

pub(super) fn render(results: &Results) -> Result<String, serde_json::Error> {
    sanitize::to_json(&Document {
        summary: results.summary(),
        results,
    })
}
