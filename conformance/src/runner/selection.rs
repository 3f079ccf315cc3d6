//! Selects cases by id, section, pattern and level.

use regex::Regex;

use crate::case::{Case, Catalogue, Level, Section};

/// Selects cases.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Select only these: an id, a section (`claims`) or another prefix up to a dot, or a pattern with `*`.
    pub only: Vec<String>,
    /// Skip these, in the same notation.
    pub skip: Vec<String>,
    /// Select only cases of this level.
    pub level: Option<Level>,
}

/// A selection, or a part of it, matches no case. A typo must not look like success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A selector matches no case.
    #[error("{selector:?} matches no case: {hint}")]
    Selector {
        /// The selector as it was given.
        selector: String,
        /// What to write instead.
        hint: String,
    },
    /// All options together select no case.
    #[error("no case is selected: --only, --skip and --level exclude each other")]
    Nothing,
}

impl Selection {
    /// Returns the selected cases in order.
    ///
    /// # Errors
    /// [`SelectionError`], when a selector, or the whole selection, matches no case.
    pub fn apply<'a>(
        &self,
        catalogue: &'a Catalogue,
    ) -> Result<Vec<(&'a Section, &'a Case)>, SelectionError> {
        for selector in self.only.iter().chain(&self.skip) {
            if !catalogue.ids().any(|id| selects(selector, id)) {
                let is_prefix = catalogue.ids().any(|id| id.starts_with(selector.as_str()));
                return Err(SelectionError::Selector {
                    selector: selector.clone(),
                    hint: if is_prefix {
                        format!("write '{selector}*' to select every id with this prefix")
                    } else {
                        "`list` shows all ids".to_owned()
                    },
                });
            }
        }
        let selected: Vec<_> = catalogue
            .iter()
            .filter(|(_, case)| {
                (self.only.is_empty() || self.only.iter().any(|selector| selects(selector, &case.id)))
                    && !self.skip.iter().any(|selector| selects(selector, &case.id))
                    && self.level.is_none_or(|level| level == case.level)
            })
            .collect();
        if selected.is_empty() {
            return Err(SelectionError::Nothing);
        }
        Ok(selected)
    }
}

/// Returns whether a selector matches an id.
fn selects(selector: &str, id: &str) -> bool {
    if selector.contains('*') {
        let pattern = regex::escape(selector).replace(r"\*", ".*");
        return Regex::new(&format!("^{pattern}$")).is_ok_and(|pattern| pattern.is_match(id));
    }
    id == selector
        || id
            .strip_prefix(selector)
            .is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_ids_sections_and_patterns() {
        for (selector, id, expected) in [
            ("claims", "claims.expired", true),
            ("claims", "claimsx.expired", false),
            ("claims.expired", "claims.expired", true),
            ("claims.exp", "claims.expired", false),
            ("claims.exp*", "claims.expired", true),
            ("*.expired", "claims.expired", true),
            ("*.exp", "claims.expired", false),
        ] {
            assert_eq!(selects(selector, id), expected, "{selector} {id}");
        }
    }
}
