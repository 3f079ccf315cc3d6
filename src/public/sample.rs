//! Sample arguments for a tool, derived from its input schema.

use serde_json::{Map, Value, json};

/// Returns sample arguments with every required argument of `schema`, the input schema of a tool.
pub(crate) fn arguments(schema: &Map<String, Value>) -> Value {
    object(schema, schema, 0)
}

/// Returns a value that matches the keywords of `schema` that this module knows. `root` resolves references.
fn value(schema: &Value, root: &Map<String, Value>, depth: usize) -> Value {
    let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
        return Value::Null;
    };
    let first = |name: &str| schema.get(name).and_then(Value::as_array)?.first();
    let given = schema.get("const").or_else(|| schema.get("default"));
    if let Some(given) = given.or_else(|| first("examples")).or_else(|| first("enum")) {
        return given.clone();
    }
    let referenced = schema.get("$ref").and_then(Value::as_str);
    if let Some(referenced) = referenced.and_then(|pointer| resolve(pointer, root)) {
        return value(referenced, root, depth + 1);
    }
    if let Some(branch) = ["anyOf", "oneOf", "allOf"].into_iter().find_map(first) {
        return value(branch, root, depth + 1);
    }
    let kind = schema
        .get("type")
        .and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match kind {
        Some("string") => json!(string(schema)),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        Some("array") => match schema.get("items") {
            Some(items) => json!([value(items, root, depth + 1)]),
            None => json!([]),
        },
        Some("object") => object(schema, root, depth),
        _ => Value::Null,
    }
}

/// Returns an object with the required members of `schema`.
fn object(schema: &Map<String, Value>, root: &Map<String, Value>, depth: usize) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let members = names.map(|name| {
        let member = schema
            .get("properties")
            .and_then(|properties| properties.get(name));
        (
            name.to_owned(),
            member.map_or(Value::Null, |member| value(member, root, depth + 1)),
        )
    });
    Value::Object(members.collect())
}

/// Returns a text in the format that `schema` names.
fn string(schema: &Map<String, Value>) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("email") => "ada@example.com",
        Some("uri") => "https://example.com",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "text",
    }
}

/// Finds the subschema that `pointer` names, such as `#/$defs/Unit`.
fn resolve<'a>(pointer: &str, root: &'a Map<String, Value>) -> Option<&'a Value> {
    let mut segments = pointer.strip_prefix("#/")?.split('/');
    let first = root.get(segments.next()?)?;
    segments.try_fold(first, |schema, segment| schema.get(segment))
}

/// The depth at which a recursive schema is cut off.
const MAX_DEPTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_required_argument_gets_a_value_of_its_type() {
        let schema = json!({
            "type": "object",
            "required": ["name", "count", "unit", "tags", "place", "when", "node"],
            "properties": {
                "name": { "type": "string", "examples": ["Ada"] },
                "count": { "type": ["integer", "null"], "minimum": 3 },
                "unit": { "$ref": "#/$defs/Unit" },
                "tags": { "type": "array", "items": { "type": "string" } },
                "place": { "anyOf": [{ "type": "object", "required": ["city"], "properties": { "city": { "type": "string" } } }] },
                "when": { "type": "string", "format": "date" },
                "node": { "$ref": "#/$defs/Node" },
                "optional": { "type": "string" },
            },
            "$defs": {
                "Unit": { "enum": ["celsius", "kelvin"] },
                "Node": { "type": "object", "required": ["next"], "properties": { "next": { "$ref": "#/$defs/Node" } } },
            },
        });
        let arguments = arguments(schema.as_object().unwrap());
        assert_eq!(
            arguments["node"]["next"]["next"]["next"],
            json!(null),
            "recursion ends"
        );
        let expected = [
            ("name", json!("Ada")),
            ("count", json!(3)),
            ("unit", json!("celsius")),
            ("tags", json!(["text"])),
            ("place", json!({ "city": "text" })),
            ("when", json!("2026-01-31")),
        ];
        for (name, value) in expected {
            assert_eq!(arguments[name], value, "{name}");
        }
        assert_eq!(arguments["optional"], json!(null));
        assert_eq!(super::arguments(&Map::new()), json!({}));
    }
}
