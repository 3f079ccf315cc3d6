//! Which cases must notice which flaw.

mod clerk;
mod surface;
mod tokens;

use super::flaw::Flaw;

impl Flaw {
    /// The ids of the cases that must fail. That there are some, a test holds for every flaw.
    pub(crate) fn breaks(self) -> &'static [&'static str] {
        let mut tables = [tokens::BREAKS, clerk::BREAKS, surface::BREAKS]
            .into_iter()
            .flatten();
        tables
            .find(|(flaw, _)| *flaw == self)
            .map(|(_, cases)| *cases)
            .unwrap_or_default()
    }
}
