//! Placeholders and removals in the JSON members that token specifications and admin requests set.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::tokens::{error::MintError, untrusted_keys::another_key};

/// Sets members of an object; `None` removes a member.
pub(crate) fn apply_changes(object: &mut Map<String, Value>, members: &[(String, Option<Value>)]) {
    for (name, value) in members {
        match value {
            Some(value) => drop(object.insert(name.clone(), value.clone())),
            None => drop(object.shift_remove(name)),
        }
    }
}

/// Resolves the placeholders in each member. `null` and `"@null"` become `None`, which removes the member.
pub(crate) fn resolve_changes(
    members: &BTreeMap<String, Value>,
    now: Timestamp,
) -> Result<Vec<(String, Option<Value>)>, MintError> {
    members
        .iter()
        .map(|(name, value)| {
            if value.is_null() || value.as_str() == Some("@null") {
                return Ok((name.clone(), None));
            }
            Ok((name.clone(), Some(resolve_value(value, now)?)))
        })
        .collect()
}

/// Resolves the placeholders in a value: `@now-1h`, `@json-null`, `@17KiB`, `{another_key}`,
/// `{another_certificate}`.
pub(crate) fn resolve_value(value: &Value, now: Timestamp) -> Result<Value, MintError> {
    Ok(match value {
        Value::String(text) if text == "@json-null" => Value::Null,
        Value::String(text) if text == "{another_key}" => another_key().jwk(),
        Value::String(text) if text == "{another_certificate}" => {
            another_key().self_signed_certificate().into()
        }
        Value::String(text) => match (text.strip_prefix("@now"), kibibytes(text)) {
            (Some(offset), _) => Value::from(now.as_second() + seconds(offset)?),
            (None, Some(length)) => "A".repeat(length * 1024).into(),
            (None, None) => value.clone(),
        },
        Value::Array(values) => values
            .iter()
            .map(|value| resolve_value(value, now))
            .collect::<Result<_, _>>()?,
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| Ok((name.clone(), resolve_value(value, now)?)))
                .collect::<Result<_, MintError>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

/// Parses `@17KiB` and returns the number of KiB.
fn kibibytes(text: &str) -> Option<usize> {
    let length = text.strip_prefix('@')?.strip_suffix("KiB")?.parse().ok()?;
    (length <= 64).then_some(length)
}

/// Parses the offset of a time, for example `-1h` or `+90s`, in seconds. An empty offset is zero.
fn seconds(offset: &str) -> Result<i64, MintError> {
    if offset.is_empty() {
        return Ok(0);
    }
    let number = |text: &str| text.parse::<i64>().ok();
    let parsed = match offset.split_at_checked(offset.len() - 1) {
        Some((digits, "s")) => number(digits),
        Some((digits, "m")) => number(digits).and_then(|minutes| minutes.checked_mul(60)),
        Some((digits, "h")) => number(digits).and_then(|hours| hours.checked_mul(3_600)),
        Some((digits, "d")) => number(digits).and_then(|days| days.checked_mul(86_400)),
        Some(_) | None => None,
    };
    parsed.ok_or_else(|| {
        MintError::Specification(format!(
            "invalid time \"@now{offset}\": use an offset such as @now-1h or @now+90s (units s, m, h, d)"
        ))
    })
}
