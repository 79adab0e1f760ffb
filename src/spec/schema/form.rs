//! What our reader of files takes beyond, and short of, what serde's derived code says of itself.

use serde_json::{Map, Value, json};

/// A text that a variable is a part of: what it becomes is not known here.
const VARIABLE: &str = r"\$\{";

/// Gives a derived schema the form of our files, and all that is in it: nothing is null, keys that nobody knows are
/// errors, `${NAME}` may stand for any scalar, and numbers are texts where a text is wanted.
pub(super) fn shape(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(shape),
        Value::Object(parts) => {
            for (key, part) in parts.iter_mut() {
                // What these hold are values, not schemas.
                if !["default", "examples", "enum", "const", "required"].contains(&key.as_str()) {
                    shape(part);
                }
            }
            tidy(parts);
        }
        _ => {}
    }
}

fn tidy(schema: &mut Map<String, Value>) {
    without_null(schema);
    schema.remove("format");
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`");
    }
    let says_nothing = |value: &Value| matches!(value, Value::Null) || *value == json!([]) || *value == json!({});
    if schema.get("default").is_some_and(says_nothing) {
        schema.remove("default");
    }
    if schema.get("properties").is_some_and(Value::is_object) {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
    scalars(schema);
    words(schema);
}

/// What is optional may be left out, but not be empty.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|one| one != "null"));
    let [Value::Object(only)] = choices.as_slice() else { return };
    let only = only.clone();
    schema.remove("anyOf");
    for (key, value) in only {
        schema.entry(key).or_insert(value);
    }
}

/// A variable may stand in place of a scalar; a number is taken for a text as it is written.
fn scalars(schema: &mut Map<String, Value>) {
    if schema.contains_key("const") || schema.contains_key("enum") {
        return;
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (kind.as_str(), schema.get("pattern").and_then(Value::as_str)) {
        ("string", None) => {
            schema.insert("type".to_owned(), json!(["string", "number"]));
        }
        ("string", Some(pattern)) if !pattern.starts_with(VARIABLE) => {
            let pattern = format!("{VARIABLE}|{pattern}");
            schema.insert("pattern".to_owned(), json!(pattern));
        }
        ("integer" | "number" | "boolean", _) => {
            schema.insert("type".to_owned(), json!([kind, "string"]));
            schema.insert("pattern".to_owned(), json!(VARIABLE));
        }
        _ => {}
    }
}

/// A variable may stand in place of one of a few words.
fn words(schema: &mut Map<String, Value>) {
    let variable = json!({ "type": "string", "pattern": VARIABLE });
    if let Some(words) = schema.remove("enum") {
        schema.remove("type");
        schema.insert("anyOf".to_owned(), json!([{ "enum": words }, variable]));
    } else if let Some(Value::Array(choices)) = schema.get_mut("oneOf") {
        // Each choice with its words: a variable is one more.
        if choices.iter().any(|choice| choice.get("const").is_some()) {
            choices.push(variable);
        }
    }
}
