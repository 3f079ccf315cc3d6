//! Turns differences and exchanges into what reports show: redacted, and cut to a readable length.

use crate::{
    assertions::Difference,
    redact::Redactor,
    results::{Exchange, Finding},
    wire::{Answer, Outgoing, WireError},
};

/// The length that bodies are cut to.
const MAX_BYTES: usize = 2_000;

pub(super) fn finding(step: usize, difference: &Difference, redactor: &Redactor) -> Finding {
    Finding {
        step,
        expected: difference.expected.clone(),
        actual: cut(&difference.actual, |text| redactor.redact(text)),
    }
}

pub(super) fn exchange(
    step: usize,
    request: &Outgoing,
    answer: &Result<Answer, WireError>,
    redactor: &Redactor,
) -> Exchange {
    let response = match answer {
        Ok(answer) => answer.as_text(),
        Err(error) => error.to_string(),
    };
    Exchange {
        step,
        request: cut(&request.as_text(), |text| redactor.redact_own(text)),
        response: cut(&response, |text| redactor.redact(text)),
    }
}

/// Cuts a text. Redacts it first, because a secret that is cut in two is not recognized. Reads only the
/// beginning, because bodies may be large.
fn cut(text: &str, redact: impl Fn(&str) -> String) -> String {
    let head = text.get(..text.floor_char_boundary(8 * MAX_BYTES));
    let redacted = redact(head.unwrap_or_default());
    let redacted = redacted.trim_end();
    if redacted.len() <= MAX_BYTES && text.len() <= 8 * MAX_BYTES {
        return redacted.to_owned();
    }
    let end = redacted.floor_char_boundary(MAX_BYTES);
    format!(
        "{}… ({} bytes in all)",
        redacted.get(..end).unwrap_or_default(),
        text.len()
    )
}
