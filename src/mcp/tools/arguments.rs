//! What's wrong with a call's arguments, in words for whoever made them. serde's own speak of fields and say of a wrong
//! type neither which argument has it nor, of several faults, more than the first.

use rmcp::model::JsonObject;
use serde_json::Value;

/// Holds `arguments` against a tool's input schema: whether all are there, known and of the right type. What their values
/// may be is the tool's own to check.
pub(super) fn fault(schema: &JsonObject, arguments: &JsonObject) -> Option<String> {
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
                    && !is_of(kind, value)
                {
                    faults.push(format!("The argument `{name}` must be of type {kind}."));
                }
            }
            None => {}
        }
    }
    // One is enough: there may be very many, and each would be said again.
    if schema.get("additionalProperties") == Some(&Value::Bool(false))
        && let Some(unknown) = arguments.keys().find(|name| !known.contains_key(*name))
    {
        let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
        let takes = match names.as_slice() {
            [] => "no arguments".to_owned(),
            names => names.join(", "),
        };
        faults.push(format!(
            "There is no argument `{unknown}`; this tool takes {takes}."
        ));
    }
    (!faults.is_empty()).then(|| faults.join(" "))
}

/// Whether `value` is of the type that JSON Schema calls `kind`.
fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        // To serde, a number with a fraction of zero is none; it says so itself.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn said(arguments: &Value) -> Option<String> {
        let schema = json!({
            "properties": { "name": { "type": "string" }, "times": { "type": "integer" }, "any": {} },
            "required": ["name"],
            "additionalProperties": false,
        });
        fault(schema.as_object().unwrap(), arguments.as_object().unwrap())
    }

    #[test]
    fn every_fault_is_named_with_its_argument() {
        assert_eq!(said(&json!({ "name": "Ada" })), None);
        assert_eq!(said(&json!({ "name": "Ada", "times": 2, "any": null })), None);
        assert_eq!(
            said(&json!({ "Name": "Ada", "times": 1.5 })).as_deref(),
            Some(
                "The argument `name` is missing. The argument `times` must be of type integer. \
                 There is no argument `Name`; this tool takes `name`, `times`, `any`."
            )
        );
    }

    #[test]
    fn a_schema_that_allows_more_is_taken_at_its_word() {
        assert_eq!(
            fault(&JsonObject::new(), json!({ "x": 1 }).as_object().unwrap()),
            None
        );
    }
}
