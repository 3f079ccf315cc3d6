//! Selects cases by id, section, pattern and level.

use crate::{
    case::{Case, Catalog, Level, Section},
    near_miss::did_you_mean,
    pattern::selects,
    profile::Profile,
};

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
    /// Returns the selected cases in order. Leaves out the cases that only a copy of clerk-mcp can pass, unless
    /// the profile offers what they need or `only` selects them.
    ///
    /// # Errors
    /// [`SelectionError`], when a selector, or the whole selection, matches no case.
    pub fn apply<'a>(
        &self,
        catalog: &'a Catalog,
        profile: Option<&Profile>,
    ) -> Result<Vec<(&'a Section, &'a Case)>, SelectionError> {
        for selector in self.only.iter().chain(&self.skip) {
            if !catalog.ids().any(|id| selects(selector, id)) {
                let is_prefix = catalog.ids().any(|id| id.starts_with(selector.as_str()));
                return Err(SelectionError::Selector {
                    selector: selector.clone(),
                    hint: if is_prefix {
                        format!("write '{selector}*' to select every id with this prefix")
                    } else {
                        let sections = catalog.iter().map(|(section, _)| section.key.as_str());
                        let known = catalog.ids().chain(sections);
                        did_you_mean(selector, known).unwrap_or_else(|| "`list` shows all ids".to_owned())
                    },
                });
            }
        }
        let selected: Vec<_> = catalog
            .iter()
            .filter(|(_, case)| {
                (self.only.is_empty() || self.only.iter().any(|selector| selects(selector, &case.id)))
                    && !self.skip.iter().any(|selector| selects(selector, &case.id))
                    && self.level.is_none_or(|level| level == case.level)
                    && (!self.only.is_empty() || profile.is_none_or(|profile| profile.covers(case)))
            })
            .collect();
        if selected.is_empty() {
            return Err(SelectionError::Nothing);
        }
        Ok(selected)
    }
}
