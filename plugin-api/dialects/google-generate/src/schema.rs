//! A JSON schema → the part of it that Gemini takes.
//!
//! What has another form with the same meaning is rewritten; any other keyword is left out, with a
//! warning that names its place.
//!
//! - <https://ai.google.dev/api/generate-content#FIELDS.response_json_schema>
//! - <https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support>

use allos_plugin_api::Warnings;
use serde_json::{Map, Value, json};

/// The keywords that Gemini reads and that hold no schema.
const PLAIN: [&str; 13] = [
    "$anchor",
    "$id",
    "$ref",
    "description",
    "enum",
    "format",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "propertyOrdering",
    "required",
    "title",
];

/// Writes a schema that stands at a place of the request.
pub(crate) fn write(schema: &Value, place: &str, warnings: &mut Warnings) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut written = Map::new();
    for (keyword, value) in members {
        let at = format!("{place}.{keyword}");
        match keyword_for(keyword, value, &at, warnings) {
            Some((keyword, value)) => drop(written.insert(keyword.to_owned(), value)),
            None => warnings.ignore(at),
        }
    }
    alone(written)
}

/// A keyword as Gemini reads it.
fn keyword_for<'a>(
    keyword: &'a str,
    value: &Value,
    at: &str,
    warnings: &mut Warnings,
) -> Option<(&'a str, Value)> {
    Some(match (keyword, value) {
        ("$ref", Value::String(target)) => {
            (keyword, json!(target.replacen("#/definitions/", "#/$defs/", 1)))
        }
        ("type", _) => (keyword, value.clone()),
        (plain, _) if PLAIN.contains(&plain) => (keyword, value.clone()),
        ("const", Value::String(_) | Value::Number(_)) => ("enum", json!([value])),
        ("$defs" | "definitions", Value::Object(schemas)) => {
            ("$defs", each_named(schemas, at, warnings))
        }
        ("properties", Value::Object(schemas)) => (keyword, each_named(schemas, at, warnings)),
        ("items" | "additionalProperties", _) => (keyword, write(value, at, warnings)),
        ("anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
            (keyword, each(schemas, at, warnings))
        }
        // All of one is any of one.
        ("allOf", Value::Array(schemas)) if schemas.len() == 1 => {
            ("anyOf", each(schemas, at, warnings))
        }
        _ => return None,
    })
}

fn each(schemas: &[Value], place: &str, warnings: &mut Warnings) -> Value {
    let each = schemas.iter().enumerate();
    each.map(|(at, schema)| write(schema, &format!("{place}[{at}]"), warnings)).collect()
}

fn each_named(schemas: &Map<String, Value>, place: &str, warnings: &mut Warnings) -> Value {
    let each = schemas
        .iter()
        .map(|(name, schema)| (name.clone(), write(schema, &format!("{place}.{name}"), warnings)));
    Value::Object(each.collect())
}

/// A reference stands alone in Gemini: with other keywords it becomes the only one of `anyOf`.
fn alone(mut members: Map<String, Value>) -> Value {
    let has_others = members.keys().any(|keyword| !keyword.starts_with('$'));
    if has_others
        && !members.contains_key("anyOf")
        && let Some(target) = members.shift_remove("$ref")
    {
        members.insert("anyOf".to_owned(), json!([{ "$ref": target }]));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(schema: &Value) -> (Value, Vec<String>) {
        let mut warnings = Warnings::default();
        (write(schema, "schema", &mut warnings), warnings.into_vec())
    }

    #[test]
    fn what_gemini_takes_is_sent_as_it_is() {
        let schema = json!({
            "type": "object", "title": "T", "additionalProperties": { "type": "string" },
            "properties": {
                "default": { "type": ["string", "null"], "format": "date" },
                "pet": { "oneOf": [{ "$ref": "#/$defs/Cat" }, { "type": "null" }] },
                "list": { "type": "array", "items": { "minimum": 1 }, "prefixItems": [{}] },
            },
            "required": ["default"],
            "$defs": { "Cat": { "enum": ["cat"] } },
        });
        assert_eq!(written(&schema), (schema, Vec::new()));
    }

    #[test]
    fn what_is_left_out_is_named_by_its_place() {
        let schema = json!({
            "$schema": "x",
            "properties": { "a": { "type": "string", "pattern": "^a" } },
            "items": { "anyOf": [{}, { "minLength": 1 }] },
            "allOf": [{}, {}],
        });
        let (schema, warnings) = written(&schema);
        let expected = json!({
            "properties": { "a": { "type": "string" } }, "items": { "anyOf": [{}, {}] },
        });
        assert_eq!(schema, expected);
        let expected = [
            "ignored: schema.$schema",
            "ignored: schema.properties.a.pattern",
            "ignored: schema.items.anyOf[1].minLength",
            "ignored: schema.allOf",
        ];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn what_has_another_form_is_rewritten() {
        let schema = json!({
            "definitions": { "A": { "const": "a" } },
            "properties": {
                "one": { "$ref": "#/definitions/A", "description": "the first" },
                "two": { "allOf": [{ "$ref": "#/definitions/A" }] },
            },
        });
        let expected = json!({
            "$defs": { "A": { "enum": ["a"] } },
            "properties": {
                "one": { "description": "the first", "anyOf": [{ "$ref": "#/$defs/A" }] },
                "two": { "anyOf": [{ "$ref": "#/$defs/A" }] },
            },
        });
        assert_eq!(written(&schema), (expected, Vec::new()));
    }
}
