//! Entries of `faults` and `steady_state`: the word under `fault` or `probe` decides which settings there are. Said as
//! `if` that word `then` these settings: editors complete them once the word stands there, and a validator complains of
//! the one setting that is wrong, not of twenty alternatives.

use serde_json::{Map, Value, json};

use super::of;
use crate::model::about::{About, ProbeAbout};
use crate::model::fault::TargetKind;
use crate::spec::catalogue::{FAULTS, PROBES};
use crate::spec::file::{FaultFile, ProbeFile, TargetFile};

/// An entry of `faults`.
pub(super) fn faults(catalogue: &[About]) -> Value {
    let words = catalogue.iter().map(|about| (about.word, about.summary));
    let mut cases = Vec::new();
    for entry in &FAULTS {
        let about = catalogue.iter().find(|about| about.word == entry.word);
        let special = about.map(|about| ("target", targets(about.targets)));
        cases.push((entry.word, (entry.schema)(), special));
    }
    entry(of::<FaultFile>(), "fault", &["fault", "target"], words, cases)
}

/// An entry of `steady_state`.
pub(super) fn probes(catalogue: &[ProbeAbout]) -> Value {
    let words = catalogue.iter().map(|about| (about.word, about.summary));
    let cases = PROBES.iter().map(|entry| (entry.word, (entry.schema)(), None)).collect();
    let mut schema = entry(of::<ProbeFile>(), "probe", &["name", "probe"], words, cases);
    schema["anyOf"] = json!([{ "required": ["expect"] }, { "required": ["expected_value"] }]);
    schema["dependentRequired"] = json!({ "tolerance": ["expected_value"] });
    schema["not"] = json!({ "required": ["rate", "interval"] });
    schema
}

type Case = (&'static str, Value, Option<(&'static str, Value)>);

/// What all have in common, and what each word adds. The keys that all have are described once.
fn entry<'a>(
    mut common: Value,
    key: &str,
    required: &[&str],
    words: impl Iterator<Item = (&'a str, &'a str)>,
    cases: Vec<Case>,
) -> Value {
    let keys: Vec<String> = common["properties"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let choices = words.map(|(word, summary)| json!({ "const": word, "description": summary }));
    let variable = json!({ "type": "string", "pattern": r"\$\{" });
    let description = common["properties"][key]["description"].take();
    common["properties"][key] =
        json!({ "description": description, "oneOf": choices.chain([variable]).collect::<Vec<_>>() });
    common["required"] = json!(required);
    let cases = cases.into_iter().map(|(word, settings, special)| {
        json!({ "if": { "properties": { key: { "const": word } }, "required": [key] }, "then": case(settings, &keys, special) })
    });
    common["allOf"] = cases.collect();
    // Which keys nobody knows is only known with the word: each case says so.
    if let Some(common) = common.as_object_mut() {
        common.remove("additionalProperties");
    }
    common
}

/// The settings of one word beside the keys that all have.
fn case(mut settings: Value, keys: &[String], special: Option<(&'static str, Value)>) -> Value {
    settings["type"] = json!("object");
    settings["additionalProperties"] = json!(false);
    if !settings["properties"].is_object() {
        settings["properties"] = json!({});
    }
    if let Some(properties) = settings["properties"].as_object_mut() {
        for key in keys {
            // A setting of the same name goes before what all have.
            properties.entry(key.clone()).or_insert(json!(true));
        }
        properties.extend(special.map(|(key, schema)| (key.to_owned(), schema)));
    }
    settings
}

/// What a target of one of these kinds looks like.
fn targets(kinds: &[TargetKind]) -> Value {
    match kinds {
        [one] => target(*one),
        several => json!({ "oneOf": several.iter().copied().map(target).collect::<Vec<_>>() }),
    }
}

/// What a target of this kind looks like.
fn target(kind: TargetKind) -> Value {
    let key = match kind {
        TargetKind::Proxy => "proxy",
        TargetKind::Process => "process",
        TargetKind::Host => "host",
    };
    let all = of::<TargetFile>();
    json!({
        "type": "object",
        "properties": { key: all["properties"][key] },
        "required": [key],
        "additionalProperties": false,
        "examples": [kind.example()]
    })
}
