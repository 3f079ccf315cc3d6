//! The parts of schemas that types don't say: names that are listed in tables, so that editors can offer them.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{
    spec::Reference,
    vocabulary::{OPTIONS, SETTINGS},
};
use local_clerk::mint::TokenKind;

/// What a profile offers.
pub(crate) fn offers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "uniqueItems": true, "items": { "oneOf": named(OPTIONS) } })
}

/// What a case needs, or is not for: also kinds of tokens.
pub(crate) fn needs(generator: &mut SchemaGenerator) -> Schema {
    let kind = generator.subschema_for::<TokenKind>();
    let mut all = named(OPTIONS);
    all.push(kind.to_value());
    json_schema!({ "type": "array", "items": { "anyOf": all } })
}

/// Settings, each with a text.
pub(crate) fn settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "oneOf": named(SETTINGS) },
        "additionalProperties": { "type": "string" },
    })
}

/// The same, or nothing.
pub(crate) fn own_settings(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = settings(generator);
    schema.insert("type".to_owned(), json!(["object", "null"]));
    schema
}

/// What a case can cite.
pub(crate) fn references(_: &mut SchemaGenerator) -> Schema {
    let all: Vec<Value> = Reference::all()
        .map(|reference| json!({ "const": reference.key, "description": reference.title }))
        .collect();
    json_schema!({ "type": "array", "items": { "oneOf": all } })
}

/// A schema for each row of a table.
fn named(table: &[(&str, &str)]) -> Vec<Value> {
    table
        .iter()
        .map(|(name, meaning)| json!({ "const": name, "description": meaning }))
        .collect()
}
