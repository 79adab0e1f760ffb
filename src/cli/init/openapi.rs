//! OpenAPI 3 -> what can be asked: GET requests whose parameters the document gives examples of.

use anyhow::{Context, ensure};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// What RFC 3986 calls unreserved stays as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How far references may lead on.
const MOST_LEVELS: usize = 16;

/// What a document lets one ask.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Where its first server is, if it says so in full.
    pub server: Option<String>,
    /// The requests, in the order of the paths.
    pub gets: Vec<Get>,
    /// Paths that cannot be asked, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Get {
    /// What it is called: the path as the document has it.
    pub name: String,
    /// Path and query, encoded.
    pub path: String,
    /// Headers that it needs.
    pub headers: Vec<(String, String)>,
}

/// Reads a document, JSON or YAML.
///
/// # Errors
/// When it is neither, or no OpenAPI of version 3.
pub(super) fn read(text: &str) -> anyhow::Result<Asked> {
    let document: Value = serde_yaml::from_str(text).context("this is neither JSON nor YAML")?;
    let version = document["openapi"].as_str().unwrap_or_default();
    ensure!(version.starts_with("3."), "this is no OpenAPI 3 document: it says `openapi: {version}`");
    let paths = document["paths"].as_object().context("this document has no `paths`")?;
    let server = document["servers"][0]["url"].as_str().filter(|url| url.contains("://") && !url.contains('{'));
    let mut asked = Asked { server: server.map(str::to_owned), ..Asked::default() };
    for (path, item) in paths {
        let item = resolved(&document, item);
        let operation = &item["get"];
        if operation.is_null() {
            continue;
        }
        match get(&document, path, item, operation) {
            Ok(get) => asked.gets.push(get),
            Err(why) => asked.skipped.push((path.clone(), why)),
        }
    }
    Ok(asked)
}

fn get(document: &Value, path: &str, item: &Value, operation: &Value) -> Result<Get, String> {
    needs_no_key(document, operation)?;
    let (mut filled, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
    for parameter in parameters(document, item, operation) {
        let name = parameter["name"].as_str().ok_or("one of its parameters has no name")?;
        let place = parameter["in"].as_str().unwrap_or_default();
        let required = place == "path" || parameter["required"] == true;
        let example = example(document, parameter);
        let value = match (example, required) {
            (Some(value), true) => value,
            (None, true) => return Err(format!("its parameter `{name}` ({place}) has neither example nor default")),
            (_, false) => continue,
        };
        let encoded = utf8_percent_encode(&value, UNRESERVED).to_string();
        match place {
            "path" => filled = filled.replace(&format!("{{{name}}}"), &encoded),
            "query" => query.push(format!("{}={encoded}", utf8_percent_encode(name, UNRESERVED))),
            "header" => headers.push((name.to_owned(), value)),
            other => return Err(format!("it needs `{name}` in a {other}")),
        }
    }
    if filled.contains(['{', '}']) {
        return Err("a part of its path is no parameter of it".to_owned());
    }
    if !query.is_empty() {
        filled = format!("{filled}?{}", query.join("&"));
    }
    Ok(Get { name: path.to_owned(), path: filled, headers })
}

/// A key is a secret, which no document holds.
fn needs_no_key(document: &Value, operation: &Value) -> Result<(), String> {
    let security = operation.get("security").unwrap_or(&document["security"]);
    let alternatives = security.as_array().map(Vec::as_slice).unwrap_or_default();
    // An empty alternative means that it can also be asked by anybody.
    let open = alternatives.is_empty()
        || alternatives.iter().any(|one| one.as_object().is_some_and(serde_json::Map::is_empty));
    if open { Ok(()) } else { Err("it needs authorization: add a probe with a secret in its `headers`".to_owned()) }
}

/// Those of the operation go before those of its path.
fn parameters<'d>(document: &'d Value, item: &'d Value, operation: &'d Value) -> Vec<&'d Value> {
    let list = |of: &'d Value| of["parameters"].as_array().into_iter().flatten().map(|one| resolved(document, one));
    let own: Vec<&Value> = list(operation).collect();
    let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    let inherited = list(item).filter(|one| !own.iter().any(|own| same(own, one)));
    let inherited: Vec<&Value> = inherited.collect();
    [own, inherited].concat()
}

/// What the document gives as a value: an example of the parameter or of its schema, a default, or its first choice.
fn example(document: &Value, parameter: &Value) -> Option<String> {
    let schema = resolved(document, &parameter["schema"]);
    let named = parameter["examples"].as_object().and_then(|all| all.values().next());
    let named = named.map(|example| &resolved(document, example)["value"]);
    let candidates = [
        Some(&parameter["example"]),
        named,
        Some(&schema["example"]),
        Some(&schema["examples"][0]),
        Some(&schema["default"]),
        Some(&schema["const"]),
        Some(&schema["enum"][0]),
    ];
    candidates.into_iter().flatten().find_map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    })
}

/// What a reference within the document leads to; what it cannot find is nothing.
fn resolved<'d>(document: &'d Value, mut value: &'d Value) -> &'d Value {
    for _ in 0..MOST_LEVELS {
        let Some(reference) = value["$ref"].as_str() else { return value };
        value = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)).unwrap_or(&Value::Null);
    }
    &Value::Null
}

#[cfg(test)]
mod tests {
    use super::{Get, read};

    const PETS: &str = r##"
openapi: 3.1.0
servers: [{ url: "http://127.0.0.1:8080/v1" }]
paths:
  /pets:
    get:
      parameters:
        - { name: limit, in: query, required: true, schema: { type: integer, default: 10 } }
        - { name: tag, in: query, schema: { type: string } }
    post: {}
  /pets/{id}:
    parameters:
      - { $ref: "#/components/parameters/Id" }
    get: {}
  /owners/{name}:
    get: { parameters: [{ name: name, in: path, required: true, schema: { type: string } }] }
  /odd/{name}:
    get: { parameters: [{ name: name, in: path, required: true, example: "a b/ü" }] }
  /secret:
    get: { security: [{ key: [] }] }
  /tenant:
    get: { parameters: [{ name: x-tenant, in: header, required: true, examples: { one: { value: beta } } }] }
  /orphan/{lost}:
    get: {}
  /only-post:
    post: {}
components:
  parameters:
    Id: { name: id, in: path, required: true, schema: { $ref: "#/components/schemas/Id" } }
  schemas:
    Id: { type: integer, example: 7 }
"##;

    fn plain(name: &str, path: &str) -> Get {
        Get { name: name.into(), path: path.into(), headers: Vec::new() }
    }

    #[test]
    fn get_paths_are_asked_with_the_values_that_the_document_gives() {
        let asked = read(PETS).expect("reads");
        assert_eq!(asked.server.as_deref(), Some("http://127.0.0.1:8080/v1"));
        let tenant = Get { headers: vec![("x-tenant".into(), "beta".into())], ..plain("/tenant", "/tenant") };
        let expected = [
            plain("/pets", "/pets?limit=10"),
            plain("/pets/{id}", "/pets/7"),
            plain("/odd/{name}", "/odd/a%20b%2F%C3%BC"),
            tenant,
        ];
        assert!(expected.iter().all(|get| asked.gets.contains(get)) && asked.gets.len() == 4, "{:#?}", asked.gets);
    }

    #[test]
    fn what_cannot_be_asked_is_told_with_the_reason() {
        let skipped = read(PETS).expect("reads").skipped;
        for (path, part) in [
            ("/owners/{name}", "neither example nor default"),
            ("/secret", "authorization"),
            ("/orphan/{lost}", "no parameter"),
        ] {
            assert!(skipped.iter().any(|(skipped, why)| skipped == path && why.contains(part)), "{path}: {skipped:?}");
        }
        assert_eq!(skipped.len(), 3);
    }

    #[test]
    fn json_is_read_as_well_and_anything_else_is_refused() {
        let json = r#"{"openapi": "3.0.3", "paths": {"/a": {"get": {}}}}"#;
        assert_eq!(read(json).expect("reads").gets, [plain("/a", "/a")]);
        for wrong in ["swagger: '2.0'\npaths: {}", "openapi: 3.0.0", "[", "just text", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let endless = r##"{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}"##;
        assert_eq!(read(endless).expect("reads").gets, []);
    }
}
