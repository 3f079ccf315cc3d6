//! The cases that each flaw must fail.

mod clerk;
mod surface;
mod tokens;

use super::flaw::Flaw;

impl Flaw {
    /// Returns the ids of the cases that must fail. A test checks that every flaw has at least one.
    pub(crate) fn expected_failures(self) -> &'static [&'static str] {
        let mut tables = [
            tokens::EXPECTED_FAILURES,
            clerk::EXPECTED_FAILURES,
            surface::EXPECTED_FAILURES,
        ]
        .into_iter()
        .flatten();
        tables
            .find(|(flaw, _)| *flaw == self)
            .map(|(_, cases)| *cases)
            .unwrap_or_default()
    }
}
