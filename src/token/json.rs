//! Parses the JSON of a JWT: one object with unique members (RFC 7519 §4, RFC 8725 §3.10).
//!
//! Of two members with the same name, `serde_json` keeps the last, and another parser may keep the first.
//! Tokens that two parsers could read differently are rejected, at every depth.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses `bytes` as one JSON object. Its members must be unique, and so must the members of every object
/// inside it.
pub(super) fn unique_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes).ok()? {
        Unique(Value::Object(object)) => Some(object),
        Unique(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => None,
    }
}

/// A value without repeated members.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("repeated member"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn object_is_parsed_unchanged() {
        let text = r#"{"a": [1, -2, 2.5, null, true, "x\n"], "b": {"a": {}}}"#;
        assert_eq!(
            unique_object(text.as_bytes()).map(Value::Object),
            Some(json!({"a": [1, -2, 2.5, null, true, "x\n"], "b": {"a": {}}})),
        );
    }

    #[test]
    fn repeated_members_are_rejected_at_any_depth_and_in_any_escaping() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"a":1,"\u0061":1}"#,
        ] {
            assert_eq!(unique_object(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn anything_but_one_object_is_rejected() {
        let deep = "[".repeat(10_000);
        for text in [
            "",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{} {}",
            "{}x",
            "{\"a\":1",
            "\u{feff}{}",
            &deep,
        ] {
            assert_eq!(unique_object(text.as_bytes()), None, "{text:.40}");
        }
        assert_eq!(unique_object(b"{\"a\":\"\xff\"}"), None);
    }
}
