//! Checks the arguments of a tool call, with error texts for the model that wrote them. serde's errors stop
//! at the first fault, and do not name the argument that has the wrong type.

use rmcp::model::JsonObject;
use serde_json::Value;

/// Checks `arguments` against a tool's input schema. Returns a text that lists every missing argument, every
/// argument of the wrong type, and the first unknown argument; `None` if there is no fault. The tool itself
/// checks the values.
pub(super) fn faults(schema: &JsonObject, arguments: &JsonObject) -> Option<String> {
    let none = JsonObject::new();
    let known = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut faults = Vec::new();
    for (name, schema) in known {
        match arguments.get(name) {
            None if required.contains(&name.as_str()) => {
                faults.push(format!("The argument `{name}` is missing."));
            }
            Some(value) => {
                if let Some(kind) = schema.get("type").and_then(Value::as_str)
                    && !has_type(kind, value)
                {
                    faults.push(format!("The argument `{name}` must be of type {kind}."));
                }
            }
            None => {}
        }
    }
    // Only the first unknown argument is named, because there may be very many.
    if schema.get("additionalProperties") == Some(&Value::Bool(false))
        && let Some(unknown) = arguments.keys().find(|name| !known.contains_key(*name))
    {
        let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
        let takes = match names.as_slice() {
            [] => "no arguments".to_owned(),
            names => names.join(", "),
        };
        faults.push(format!("Unknown argument `{unknown}`: this tool takes {takes}."));
    }
    (!faults.is_empty()).then(|| faults.join(" "))
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
    fn unknown_arguments_are_accepted_if_the_schema_allows_them() {
        assert_eq!(
            faults(&JsonObject::new(), json!({ "x": 1 }).as_object().unwrap()),
            None
        );
    }
}
