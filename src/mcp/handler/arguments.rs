//! Explains to the model which arguments of its tool call are wrong. serde's errors stop at the first fault,
//! and do not name the argument that has the wrong type.

use std::sync::Arc;

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, JsonObject};
use serde_json::Value;

/// Checks `arguments` against a tool's input schema. Returns a text that names every argument with a fault: a
/// missing one, a wrong type, a number out of range, or a value that `enum` does not allow. It names only the
/// first unknown argument. Returns `None` if it finds no fault; the tool itself checks the values.
fn faults(schema: &JsonObject, arguments: &JsonObject) -> Option<String> {
    let mut faults = Vec::new();
    let checker = Checker { root: schema };
    checker.object("", schema, arguments, MAX_DEPTH, &mut faults);
    (!faults.is_empty()).then(|| faults.join(" "))
}

/// If rmcp could not deserialize the arguments, replaces its error text with one that names the wrong arguments.
/// Returns any other `result` unchanged. `arguments` are the arguments of the call, and `schema` returns the
/// tool's input schema.
pub(super) fn explained(
    result: CallToolResponse,
    schema: impl FnOnce() -> Option<Arc<JsonObject>>,
    arguments: &JsonObject,
) -> CallToolResponse {
    let CallToolResponse::Complete(failed) = &result else {
        return result;
    };
    let text = match failed.content.as_slice() {
        [one] if failed.is_error == Some(true) => one.as_text(),
        _ => None,
    };
    let Some(reason) = text.and_then(|text| text.text.strip_prefix(RMCP_PREFIX)) else {
        return result;
    };
    let text = schema()
        .and_then(|schema| faults(&schema, arguments))
        .unwrap_or_else(|| format!("The arguments are invalid: {}.", reason.trim()));
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

struct Checker<'a> {
    /// Resolves references.
    root: &'a JsonObject,
}

impl Checker<'_> {
    /// Checks the members of the object at `path`, which is empty for the arguments themselves.
    fn object(
        &self,
        path: &str,
        schema: &JsonObject,
        object: &JsonObject,
        depth: usize,
        faults: &mut Vec<String>,
    ) {
        let none = JsonObject::new();
        let known = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let required = schema.get("required").and_then(Value::as_array);
        let required = |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
        let inner = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        for (name, schema) in known {
            match object.get(name) {
                None if required(name) => faults.push(format!("The argument `{}` is missing.", inner(name))),
                Some(value) => self.value(&inner(name), schema, value, depth, faults),
                None => {}
            }
        }
        // Only the first unknown argument is named, because there may be very many.
        if schema.get("additionalProperties") == Some(&Value::Bool(false))
            && !schema.contains_key("patternProperties")
            && let Some(unknown) = object.keys().find(|name| !known.contains_key(*name))
        {
            let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
            let takes = match names.as_slice() {
                [] => "no arguments".to_owned(),
                names => names.join(", "),
            };
            let taker = if path.is_empty() {
                "this tool".to_owned()
            } else {
                format!("`{path}`")
            };
            faults.push(format!(
                "Unknown argument `{}`: {taker} takes {takes}.",
                inner(unknown)
            ));
        }
    }

    /// Checks the value at `path`.
    fn value(&self, path: &str, schema: &Value, value: &Value, depth: usize, faults: &mut Vec<String>) {
        let Some(schema) = schema.as_object().filter(|_| depth > 0) else {
            return;
        };
        let depth = depth - 1;
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(referenced) = reference.and_then(|pointer| self.resolve(pointer)) {
            self.value(path, referenced, value, depth, faults);
        }
        let branches = ["anyOf", "oneOf"]
            .into_iter()
            .find_map(|name| schema.get(name)?.as_array());
        if let Some(branches) = branches {
            self.branches(path, branches, value, depth, faults);
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| has_type(kind, value)) {
            faults.push(format!(
                "The argument `{path}` must be of type {}.",
                kinds.join(" or ")
            ));
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
            faults.push(format!(
                "The argument `{path}` must be one of {}.",
                allowed.join(", ")
            ));
        }
        if let Some(number) = value.as_f64() {
            let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
            if bound("minimum").is_some_and(|minimum| number < minimum) {
                faults.push(format!(
                    "The argument `{path}` must be at least {}.",
                    schema["minimum"]
                ));
            }
            if bound("maximum").is_some_and(|maximum| number > maximum) {
                faults.push(format!(
                    "The argument `{path}` must be at most {}.",
                    schema["maximum"]
                ));
            }
        }
        match value {
            Value::Object(object) => self.object(path, schema, object, depth, faults),
            Value::Array(items) => {
                let Some(schema) = schema.get("items") else { return };
                // Only the first wrong item is named, because there may be very many.
                for (index, item) in items.iter().enumerate() {
                    let before = faults.len();
                    self.value(&format!("{path}[{index}]"), schema, item, depth, faults);
                    if faults.len() > before {
                        return;
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Checks that `value` matches a branch. If it matches none and only one branch is not null, reports the
    /// faults of that branch.
    fn branches(
        &self,
        path: &str,
        branches: &[Value],
        value: &Value,
        depth: usize,
        faults: &mut Vec<String>,
    ) {
        let of = |branch: &Value| {
            let mut faults = Vec::new();
            self.value(path, branch, value, depth, &mut faults);
            faults
        };
        if branches.iter().any(|branch| of(branch).is_empty()) {
            return;
        }
        let mut others = branches.iter().filter(|branch| branch["type"] != "null");
        match (others.next(), others.next()) {
            (Some(only), None) => faults.extend(of(only)),
            _ => faults.push(format!(
                "The argument `{path}` has none of the forms that its schema allows."
            )),
        }
    }

    /// Finds the subschema that `pointer` names, such as `#/$defs/Unit`.
    fn resolve(&self, pointer: &str) -> Option<&Value> {
        let mut segments = pointer.strip_prefix("#/")?.split('/');
        let first = self.root.get(segments.next()?)?;
        segments.try_fold(first, |schema, segment| schema.get(segment))
    }
}

/// Returns whether `value` has the JSON Schema type `kind`.
fn has_type(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        // JSON Schema counts 1.0 as an integer. serde does not, and reports it later.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

/// How rmcp begins the text about arguments that the tool cannot read.
const RMCP_PREFIX: &str = "failed to deserialize parameters:";
/// Recursive schemas and deep values end here.
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn faults_of(arguments: &Value) -> Option<String> {
        let schema = json!({
            "properties": { "name": { "type": "string" }, "times": { "type": "integer" }, "any": {} },
            "required": ["name"],
            "additionalProperties": false,
        });
        faults(schema.as_object().unwrap(), arguments.as_object().unwrap())
    }

    #[test]
    fn every_fault_names_its_argument() {
        assert_eq!(faults_of(&json!({ "name": "Ada" })), None);
        assert_eq!(
            faults_of(&json!({ "name": "Ada", "times": 2, "any": null })),
            None
        );
        assert_eq!(
            faults_of(&json!({ "Name": "Ada", "times": 1.5 })).as_deref(),
            Some(
                "The argument `name` is missing. The argument `times` must be of type integer. \
                 Unknown argument `Name`: this tool takes `name`, `times`, `any`."
            )
        );
    }

    #[test]
    fn faults_inside_an_argument_name_its_path() {
        let schema = json!({
            "properties": {
                "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
                "note": { "type": ["string", "null"] },
                "place": { "anyOf": [{ "$ref": "#/$defs/Place" }, { "type": "null" }] },
            },
            "$defs": {
                "Line": {
                    "type": "object",
                    "properties": {
                        "count": { "type": "integer", "minimum": 1, "maximum": 9 },
                        "size": { "enum": ["s", "m"] },
                    },
                    "required": ["count"],
                },
                "Place": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] },
            },
        });
        let faults = |arguments: Value| faults(schema.as_object().unwrap(), arguments.as_object().unwrap());
        let valid = json!({ "lines": [{ "count": 1, "size": "m" }], "note": null, "place": null });
        assert_eq!(faults(valid), None);
        let texts = [
            json!({ "lines": [{ "count": 1 }, { "count": 0, "size": "xl" }] }),
            json!({ "lines": [{ "count": "1" }], "note": 5 }),
            json!({ "lines": {}, "place": { "city": 5 } }),
        ]
        .map(|arguments| faults(arguments).unwrap());
        insta::assert_snapshot!(texts.join("\n"), @r#"
        The argument `lines[1].count` must be at least 1. The argument `lines[1].size` must be one of "s", "m".
        The argument `lines[0].count` must be of type integer. The argument `note` must be of type string or null.
        The argument `lines` must be of type array. The argument `place.city` must be of type string.
        "#);
    }

    #[test]
    fn unknown_arguments_are_accepted_if_the_schema_allows_them() {
        assert_eq!(
            faults(&JsonObject::new(), json!({ "x": 1 }).as_object().unwrap()),
            None
        );
    }
}
