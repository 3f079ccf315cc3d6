//! Parameters of a query string or a form (`application/x-www-form-urlencoded`).

use url::form_urlencoded;

/// Decoded parameters in order. A parameter with an empty value is treated as absent (RFC 6749 §3.1).
#[derive(Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(encoded).filter(|(_, value)| !value.is_empty());
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(existing, _)| existing == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the first parameter that occurs more than once and is not in `repeatable`.
    pub(crate) fn repeated(&self, repeatable: &[&str]) -> Option<&str> {
        self.names()
            .find(|name| !repeatable.contains(name) && self.all(name).nth(1).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_absent_and_repeated_parameters_are_found() {
        let parameters = Parameters::parse(b"a=1&b=&resource=x&resource=y%20z&a=2");
        assert_eq!(parameters.get("b"), None);
        assert_eq!(parameters.all("resource").collect::<Vec<_>>(), ["x", "y z"]);
        assert_eq!(parameters.repeated(&["resource"]), Some("a"));
        assert_eq!(parameters.repeated(&["resource", "a"]), None);
    }
}
