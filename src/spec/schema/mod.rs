//! The JSON Schema (draft 2020-12) of experiments and policies, made from the structs that they are read into, so that
//! an editor completes and checks what `chaos validate` will read. It knows the form of a file and nothing of what its
//! parts say together.

mod flat;
mod form;
mod settings;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

pub use self::settings::{common_of_faults, common_of_probes, settings_of_fault, settings_of_probe};
use super::file::ExperimentFile;
use crate::model::about::{About, ProbeAbout};
use crate::model::secret::Secret;

/// Which schema language this is.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of experiments; the catalogues say what each word means.
pub fn experiment(faults: &[About], probes: &[ProbeAbout]) -> Value {
    let mut schema = of::<ExperimentFile>();
    schema["properties"]["steady_state"]["items"] = flat::probes(probes);
    schema["properties"]["steady_state"]["minItems"] = json!(1);
    schema["properties"]["faults"]["items"] = flat::faults(faults);
    for (key, part) in schema["properties"].as_object_mut().into_iter().flatten() {
        if part["type"] == "array" {
            part["maxItems"] = json!(super::build::MOST_ENTRIES);
        }
        // What a person has begun to write and not filled yet.
        if let Some(kind @ ("array" | "object")) = part["type"].as_str().filter(|_| key != "steady_state") {
            part["type"] = json!([kind, "null"]);
        }
    }
    titled(schema, "An experiment of chaos")
}

/// The schema of policies.
pub fn policy() -> Value {
    titled(of::<super::policy::PolicyFile>(), "A policy of chaos")
}

fn titled(mut schema: Value, title: &str) -> Value {
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!(title);
    schema
}

/// The schema of what is read into this type, in our form.
pub(super) fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    // The name of a type of ours means nothing to those who read it.
    if let Some(schema) = schema.as_object_mut()
        && schema.contains_key("properties")
    {
        schema.remove("title");
    }
    form::shape(&mut schema);
    schema
}

/// `vars`.
pub(super) fn variables(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<Secret>() })
}

/// `env`: a variable may be empty.
pub(super) fn environment(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<Secret>();
    json_schema!({ "type": "object", "additionalProperties": { "anyOf": [{ "const": null }, value] } })
}

/// A list whose entries are described apart.
pub(super) fn entries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array" })
}

/// `expect`.
pub(super) fn expectations(_: &mut SchemaGenerator) -> Schema {
    let pattern = r"^\s*(success_rate|error_rate|p[0-9.]+|median|mean|min|max|value)\s*(<|>|within\s)";
    json_schema!({
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "string",
            "pattern": pattern,
            "examples": ["success_rate >= 99%", "p95 <= 250ms", "value < 1000"]
        }
    })
}

/// `stop_conditions`.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "string",
            "pattern": r"(^\s*affected_users|\.\s*(success_rate|error_rate|p[0-9.]+|median|mean|min|max|value))\s*[<>]",
            "examples": ["ask.error_rate > 50%", "ask.p99 > 2s for 3s", "affected_users > 100"]
        }
    })
}

/// A number, or a text with a unit.
pub(super) fn value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "title": "a number, or a quantity with its unit", "type": ["string", "number"] })
}

#[cfg(test)]
mod tests;
