//! Text that must never be shown: it has no way into a log, an event, a report or an error.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A value that may be secret, such as a header. Prints and serialises as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: Box<str>,
    /// None when the text stands in the file.
    origin: Option<Box<Origin>>,
}

/// Where a text comes from.
#[derive(Clone, PartialEq, Eq)]
struct Origin {
    source: Box<str>,
    parts: Box<[Box<str>]>,
}

impl Secret {
    /// Tells the reader of experiments that a place takes secrets; no other place does.
    pub const PLACE: &'static str = "$chaos::secret";

    /// Wraps a text that stands in the file.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into().into(), origin: None }
    }

    /// The text itself, for the wire only.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the file says in its place when it comes from elsewhere: `Bearer {from_env: TOKEN}`. None when the text
    /// stands in the file.
    pub fn source(&self) -> Option<&str> {
        self.origin.as_ref().map(|origin| &*origin.source)
    }

    /// The parts of the text that come from elsewhere: of `Bearer ${TOKEN}` the token. None when the text stands in the
    /// file, where everybody may read it.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.origin.iter().flat_map(|origin| origin.parts.iter()).map(|part| &**part)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(Self::PLACE, Read)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let from = |key: &str, about: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "description": about } },
                "required": [key]
            })
        };
        json_schema!({
            "title": "a text, `{ from_env: NAME }` or `{ from_file: PATH }`",
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                from("from_env", "The variable of the environment that holds it."),
                from("from_file", "The file that holds it.")
            ]
        })
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, `{ from_env: NAME }` or `{ from_file: PATH }`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
        deserializer.deserialize_str(self)
    }

    /// A text from elsewhere, what the file says in its place, and the parts of the text that are from elsewhere.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Secret, A::Error> {
        let text: String = parts.next_element()?.ok_or_else(|| de::Error::missing_field("text"))?;
        let source: Option<String> = parts.next_element()?;
        let mut secrets: Vec<Box<str>> = Vec::new();
        while let Some(part) = parts.next_element::<String>()? {
            secrets.push(part.into());
        }
        let origin = source.map(|source| Box::new(Origin { source: source.into(), parts: secrets.into() }));
        Ok(Secret { text: text.into(), origin })
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_neither_printed_nor_written() {
        let secret = Secret::new("s3cret");
        assert_eq!(
            (format!("{secret:?}"), serde_json::to_string(&secret).expect("writes")),
            ("***".into(), "\"***\"".into())
        );
        let read: Secret = serde_json::from_str("\"s3cret\"").expect("reads");
        assert_eq!((read.reveal(), read.source()), ("s3cret", None));
    }
}
