use regex::Regex;

use crate::{
    case::{Case, Catalogue, Level},
    results::Section,
};

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these: an id, a section (`claims`) or another start of ids up to a dot, or a pattern with `*`.
    pub only: Vec<String>,
    /// Not these, written the same way.
    pub skip: Vec<String>,
    /// Only those of this level.
    pub level: Option<Level>,
}

/// A selection that selects nothing, in whole or in part: a typing error must not look like success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// One of the selectors matches no case.
    #[error("{selector:?} matches no case: {hint}")]
    Selector {
        /// As it was given.
        selector: String,
        /// What may have been meant.
        hint: String,
    },
    /// All of them together leave nothing.
    #[error("no case is left: --only, --skip and --level exclude each other")]
    Nothing,
}

impl Selection {
    /// The cases it selects, in order.
    ///
    /// # Errors
    /// [`SelectionError`], when a selector matches nothing, or nothing is left.
    pub fn apply<'a>(
        &self,
        catalogue: &'a Catalogue,
    ) -> Result<Vec<(&'a Section, &'a Case)>, SelectionError> {
        for selector in self.only.iter().chain(&self.skip) {
            if !catalogue.ids().any(|id| selects(selector, id)) {
                let begins = catalogue.ids().any(|id| id.starts_with(selector.as_str()));
                return Err(SelectionError::Selector {
                    selector: selector.clone(),
                    hint: if begins {
                        format!("for every id that begins so, write '{selector}*'")
                    } else {
                        "`list` shows them all".to_owned()
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

/// Whether a selector means this id.
pub(crate) fn selects(selector: &str, id: &str) -> bool {
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
    fn selectors_are_ids_sections_or_patterns() {
        for (selector, id, due) in [
            ("claims", "claims.expired", true),
            ("claims", "claimsx.expired", false),
            ("claims.expired", "claims.expired", true),
            ("claims.exp", "claims.expired", false),
            ("claims.exp*", "claims.expired", true),
            ("*.expired", "claims.expired", true),
            ("*.exp", "claims.expired", false),
        ] {
            assert_eq!(selects(selector, id), due, "{selector} {id}");
        }
    }
}
