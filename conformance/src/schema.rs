//! Schemas for the members that name an entry of a table, so that editors can complete them.

use local_clerk::mint::TokenKind;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{
    spec::Reference,
    vocabulary::{OPTIONS, SETTINGS},
};

/// Returns the schema of a profile's `offers`.
pub(crate) fn offers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "uniqueItems": true, "items": { "oneOf": named(OPTIONS) } })
}

/// Returns the schema of a case's `needs` and `unless`: options and token kinds.
pub(crate) fn needs(generator: &mut SchemaGenerator) -> Schema {
    let kind = generator.subschema_for::<TokenKind>();
    let mut all = named(OPTIONS);
    all.push(kind.to_value());
    json_schema!({ "type": "array", "items": { "anyOf": all } })
}

/// Returns the schema of a profile's `settings`.
pub(crate) fn settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "oneOf": named(SETTINGS) },
        "additionalProperties": { "type": "string" },
    })
}

/// Returns the schema of a case's `own`: settings, or null.
pub(crate) fn own_settings(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = settings(generator);
    schema.insert("type".to_owned(), json!(["object", "null"]));
    schema
}

/// Returns the schema of a case's `refs`.
pub(crate) fn references(_: &mut SchemaGenerator) -> Schema {
    let all: Vec<Value> = Reference::all()
        .map(|reference| json!({ "const": reference.key, "description": reference.title }))
        .collect();
    json_schema!({ "type": "array", "items": { "oneOf": all } })
}

/// Returns a schema for each row of a table.
fn named(table: &[(&str, &str)]) -> Vec<Value> {
    table
        .iter()
        .map(|(name, meaning)| json!({ "const": name, "description": meaning }))
        .collect()
}
