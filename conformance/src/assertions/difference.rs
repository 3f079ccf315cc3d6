//! What an answer differs in from its expectation.

/// One difference between an answer and its expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What was expected, with every acceptable answer.
    pub(crate) expected: String,
    pub(crate) actual: String,
}

/// The differences of one answer, each listed once.
#[derive(Debug, Default)]
pub(crate) struct Differences(Vec<Difference>);

impl Differences {
    pub(super) fn add(&mut self, expected: impl Into<String>, actual: impl Into<String>) {
        let difference = Difference {
            expected: expected.into(),
            actual: actual.into(),
        };
        if !self.0.contains(&difference) {
            self.0.push(difference);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Difference> {
        self.0
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Lists alternatives: `401 or 403`.
pub(super) fn either(values: &[impl ToString]) -> String {
    let all: Vec<String> = values.iter().map(ToString::to_string).collect();
    all.join(" or ")
}
