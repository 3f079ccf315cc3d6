use std::{collections::BTreeMap, sync::LazyLock};

use regex::{Captures, Regex};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What texts in cases and profiles stand for in this run: `{base_url}`, `{ada}`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(BTreeMap<String, String>);

/// A text names something that this run does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{{{0}}} is not known in this run")]
pub(crate) struct Unknown(pub(crate) String);

/// Named by others at another time: the request's token, the mint's header, claims and keys, the number of
/// a repetition.
const LATER: [&str; 5] = ["token", "header", "claims", "another_key", "n"];

static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([a-z][a-z0-9_.-]*)\}").ok());

impl Values {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The text with every placeholder filled in.
    pub(crate) fn fill(&self, text: &str) -> Result<String, Unknown> {
        let mut unknown = None;
        let Some(placeholder) = PLACEHOLDER.as_ref() else {
            return Ok(text.to_owned());
        };
        let filled = placeholder.replace_all(text, |found: &Captures<'_>| {
            let (whole, [name]) = found.extract();
            match self.get(name) {
                Some(value) => value.to_owned(),
                None if LATER.contains(&name) => whole.to_owned(),
                None => {
                    unknown.get_or_insert_with(|| name.to_owned());
                    String::new()
                }
            }
        });
        match unknown {
            Some(name) => Err(Unknown(name)),
            None => Ok(filled.into_owned()),
        }
    }

    /// The same in every text of a value.
    pub(crate) fn fill_in<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T, Unknown> {
        let mut json = serde_json::to_value(value).map_err(|error| Unknown(error.to_string()))?;
        self.fill_json(&mut json)?;
        serde_json::from_value(json).map_err(|error| Unknown(error.to_string()))
    }

    fn fill_json(&self, value: &mut Value) -> Result<(), Unknown> {
        match value {
            Value::String(text) => *text = self.fill(text)?,
            Value::Array(values) => {
                for value in values {
                    self.fill_json(value)?;
                }
            }
            Value::Object(members) => {
                for (_, value) in members {
                    self.fill_json(value)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_json_is_left_alone() {
        let mut values = Values::default();
        values.set("base_url", "http://a");
        assert_eq!(
            values.fill("{base_url}/mcp {token}").unwrap(),
            "http://a/mcp {token}"
        );
        let json = r#"{"jsonrpc":"2.0","params":{}} \d{3}"#;
        assert_eq!(values.fill(json).unwrap(), json);
        assert_eq!(values.fill("{nothing}"), Err(Unknown("nothing".to_owned())));
    }
}
