//! The settings of one word, for people.

use serde_json::{Map, Value};

use super::of;
use crate::model::about::Setting;
use crate::spec::catalogue::{Entry, FAULTS, PROBES};
use crate::spec::decode::fields_of;
use crate::spec::file::{FaultFile, ProbeFile};

/// The settings of a fault, in the order of its struct; none when there is no such fault.
pub fn settings_of_fault(word: &str) -> Option<Vec<Setting>> {
    settings_of(&FAULTS, word)
}

/// The settings of a probe, in the order of its struct; none when there is no such probe.
pub fn settings_of_probe(word: &str) -> Option<Vec<Setting>> {
    settings_of(&PROBES, word)
}

/// What every fault has.
pub fn common_of_faults() -> Vec<Setting> {
    let keys = ["name", "target", "start", "duration"];
    list(&of::<FaultFile>(), &keys, &["target"])
}

/// What every probe has.
pub fn common_of_probes() -> Vec<Setting> {
    let keys = fields_of::<ProbeFile>().iter().copied().filter(|key| *key != "probe");
    list(&of::<ProbeFile>(), &keys.collect::<Vec<_>>(), &["name"])
}

fn settings_of<K>(table: &[Entry<K>], word: &str) -> Option<Vec<Setting>> {
    let entry = table.iter().find(|entry| entry.word == word)?;
    let schema = (entry.schema)();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Some(list(&schema, entry.names(), &required))
}

fn list(schema: &Value, keys: &[&str], required: &[&str]) -> Vec<Setting> {
    let one = |key: &&str| {
        let setting = &schema["properties"][*key];
        Setting {
            name: (*key).to_owned(),
            kind: kind(setting),
            required: required.contains(key),
            default: setting.get("default").map(written),
            about: setting["description"].as_str().unwrap_or_default().to_owned(),
        }
    };
    keys.iter().map(one).collect()
}

/// As it would stand in a file.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    let choices: Vec<&Value> = ["oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten().collect();
    let mut words: Vec<String> = Vec::new();
    for choice in &choices {
        match (&choice["const"], choice["enum"].as_array(), choice["properties"].as_object()) {
            (Value::String(word), ..) => words.push(word.clone()),
            (_, Some(several), _) => words.extend(several.iter().map(written)),
            (.., Some(properties)) => words.extend(properties.keys().map(|key| format!("{{ {key}: ... }}"))),
            _ => {}
        }
    }
    if !words.is_empty() {
        return words.join(", ");
    }
    if let Some([one, _]) = schema["anyOf"].as_array().map(Vec::as_slice) {
        return format!("{}, or a list of them", kind(one));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    match types.first().copied().unwrap_or_default() {
        "integer" => bounds("a whole number", schema),
        "number" => bounds("a number", schema),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => mapping(schema["properties"].as_object()),
        _ if types.len() > 2 => "a text, a number, true or false".to_owned(),
        _ => "a text".to_owned(),
    }
}

fn bounds(kind: &str, schema: &Value) -> String {
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
        _ => kind.to_owned(),
    }
}

fn mapping(properties: Option<&Map<String, Value>>) -> String {
    match properties {
        Some(properties) => {
            let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
            format!("a mapping: {}", keys.join(", "))
        }
        None => "a mapping of names and texts".to_owned(),
    }
}
