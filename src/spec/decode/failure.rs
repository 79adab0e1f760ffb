//! The error that travels through serde: structured, so that the words are chosen once, in [`Failure::diagnose`].

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::describe;
use crate::diagnostic::Diagnostic;
use crate::spec::suggest;
use crate::spec::tree::{NodeId, Tree};

/// What went wrong, where and under which key.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub node: Option<NodeId>,
    pub key: Option<String>,
}

/// What went wrong.
#[derive(Debug)]
pub enum Kind {
    /// A placeholder did not fit: what is wrong has been said before.
    Silent,
    /// A field is not there.
    Missing(&'static str),
    /// It is secret, and what is read from it is shown.
    Shown,
    /// It is of another type than this.
    Type(String),
    /// It is of the right type, but outside of what this takes.
    Value(String),
    /// It is none of these words.
    Variant(String, &'static [&'static str]),
    /// A sentence from elsewhere; what follows the last `; ` is what to try.
    Other(String),
}

impl Failure {
    pub const fn new(kind: Kind) -> Self {
        Self { kind, node: None, key: None }
    }

    /// Blames this node unless one is blamed already.
    pub fn at(mut self, node: NodeId) -> Self {
        self.node.get_or_insert(node);
        self
    }

    /// Names the key whose value this node is.
    pub fn under(mut self, key: &str, node: NodeId) -> Self {
        if self.node == Some(node) && self.key.is_none() {
            self.key = Some(key.to_owned());
        }
        self
    }

    /// The words for people.
    pub fn diagnose(self, tree: &Tree, node: NodeId) -> Diagnostic {
        let key = self.key.as_deref();
        let subject = key.map_or_else(|| "this".to_owned(), |key| format!("`{key}`"));
        let found = describe(tree, node);
        let (message, help) = match self.kind {
            Kind::Silent => (String::new(), None),
            Kind::Shown => (
                format!("{subject} cannot be a secret: it is shown in plans and reports"),
                Some("secrets go into `headers` and `body` of a probe, and `env` of a service".to_owned()),
            ),
            Kind::Missing(field) => (format!("`{field}` is missing"), Some(format!("add `{field}: ...` here"))),
            Kind::Type(expected) => mismatch(key, &plain_words(&expected), tree, node),
            Kind::Value(expected) => {
                let expected = plain_words(&expected);
                (format!("{subject} must be {expected}, not {found}"), Some(format!("write {expected}")))
            }
            Kind::Variant(word, known) => (format!("{subject} cannot be `{word}`"), Some(suggest::hint(&word, known))),
            Kind::Other(text) => match text.rsplit_once("; ") {
                Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
                None => (text, None),
            },
        };
        let diagnostic = Diagnostic::error(message).at(tree.head(node));
        match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

fn mismatch(key: Option<&str>, expected: &str, tree: &Tree, node: NodeId) -> (String, Option<String>) {
    let subject = key.map_or_else(|| "this".to_owned(), |key| format!("`{key}`"));
    let found = describe(tree, node);
    if found == "empty" {
        return (format!("{subject} is empty"), Some(format!("write {expected}")));
    }
    let text = tree.scalar(node).filter(|scalar| scalar.secret.is_none()).map_or("", |scalar| scalar.text.trim());
    let help = if expected.starts_with("a list") {
        Some(as_list(key, text))
    } else if expected.starts_with("a mapping") {
        as_mapping(key)
    } else {
        as_plain(expected, text, tree.scalar(node).is_some_and(|scalar| !scalar.plain))
    };
    let form = expected.strip_prefix("written as ").unwrap_or(expected);
    let help = help.or_else(|| Some(format!("write {form} here")));
    (format!("{subject} must be {expected}, not {found}"), help)
}

fn as_list(key: Option<&str>, text: &str) -> String {
    match key {
        Some("command") if !text.is_empty() => {
            let words: Vec<&str> = text.split_whitespace().take(12).collect();
            format!("write a list: [{}]", words.join(", "))
        }
        Some("expect" | "stop_conditions" | "tags") if !text.is_empty() => format!("write a list: [{text}]"),
        _ => "write `- ` before each entry; `[]` is an empty list".to_owned(),
    }
}

fn as_mapping(key: Option<&str>) -> Option<String> {
    let form = match key? {
        "target" => "`{ proxy: NAME }`, `{ process: { service: NAME } }` or `{ host: local }`",
        "process" => "`{ service: NAME }`",
        "recovery" => "`{ within: 30s }`",
        "blast_radius" => "`{ traffic: 50%, duration: 20s }`",
        "json" => "`{ pointer: /status, equals: ok }`",
        _ => return None,
    };
    Some(format!("write it like {form}"))
}

fn as_plain(expected: &str, text: &str, quoted: bool) -> Option<String> {
    let help = match text.to_lowercase().as_str() {
        "yes" | "on" | "y" if expected == TRUTH => "write `true`",
        "no" | "off" | "n" if expected == TRUTH => "write `false`",
        _ if quoted && (expected.contains("number") || expected == TRUTH) => "remove the quotes",
        _ => return None,
    };
    Some(help.to_owned())
}

const TRUTH: &str = "`true` or `false`";

/// The names that serde gives to types, in the words of the file.
fn plain_words(expected: &str) -> String {
    let words = match expected {
        "a string" | "string" => "a text",
        "path string" => "a path",
        "a boolean" => TRUTH,
        "a sequence" => "a list",
        "a map" => "a mapping",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number from 0",
        "i32" | "i64" => "a whole number",
        "f64" => "a number",
        _ if expected.starts_with("struct ") => "a mapping (lines of `key: value`)",
        other => other,
    };
    words.to_owned()
}

impl Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(Kind::Other(text.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Type(expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Value(expected.to_string()))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::Variant(super::shorten(variant), known))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::Missing(field))
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}
