//! The JSON Schemas of what is not read as it is derived: quantities with a unit, and one value or a list of them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A text of a fixed form: its `title` says what it is in a few words, as `chaos faults` shows it.
pub(crate) fn text(title: &str, pattern: &str, examples: &[&str]) -> Schema {
    json_schema!({ "type": "string", "title": title, "pattern": pattern, "examples": examples })
}

/// One value, or a list of them.
pub(crate) fn one_or_many<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
}
