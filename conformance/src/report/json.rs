//! JSON: the results themselves, for programs, for `compare` and for keeping.

use serde::Serialize;

use super::plain;
use crate::results::{Results, Summary};

/// The counts come first, where somebody who opens the file sees them; they are not read back.
#[derive(Serialize)]
struct Document<'a> {
    summary: Summary,
    #[serde(flatten)]
    results: &'a Results,
}

pub(super) fn render(results: &Results) -> Result<String, serde_json::Error> {
    plain::json(&Document {
        summary: results.summary(),
        results,
    })
}
