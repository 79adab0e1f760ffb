//! One node as serde sees it.

use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, Expected, Visitor};

use super::access::{Attempts, Elements, Entries, Variant};
use super::failure::{Failure, Kind};
use super::field::{FIELD, RAW};
use super::{Decoder, Names};
use crate::model::secret::Secret;
use crate::spec::scalar::{Plain, resolve};
use crate::spec::tree::{Content, NodeId, Scalar};

/// A node of a decoder's tree.
#[derive(Clone, Copy)]
pub(super) struct Value<'d, 'de> {
    pub decoder: &'d Decoder<'de>,
    pub node: NodeId,
    /// The key it stands under, if it does.
    pub key: Option<&'de str>,
}

impl<'de> Value<'_, 'de> {
    /// Says where a failure happened, and under which key, unless that is known already.
    pub fn blame(&self, failure: Failure) -> Failure {
        let failure = failure.at(self.node);
        match self.key {
            Some(key) => failure.under(key, self.node),
            None => failure,
        }
    }

    fn scalar(&self) -> Option<&'de Scalar> {
        self.decoder.tree.scalar(self.node)
    }

    /// A word without quotes, resolved; of everything else nothing.
    fn plain(&self) -> Option<Plain<'de>> {
        self.scalar().filter(|scalar| scalar.plain).map(|scalar| resolve(&scalar.text))
    }

    /// A secret is read as such or not at all.
    fn refuse_secret(&self) -> Result<(), Failure> {
        match self.scalar() {
            Some(scalar) if scalar.secret.is_some() => Err(Failure::new(Kind::Shown).at(self.node)),
            _ => Ok(()),
        }
    }

    fn mismatch(&self, visitor: &impl Visitor<'de>) -> Failure {
        Failure::new(Kind::Type((visitor as &dyn Expected).to_string())).at(self.node)
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.refuse_secret()?;
        let result = match self.plain() {
            Some(Plain::Unsigned(number)) => visitor.visit_u64(number),
            Some(Plain::Signed(number)) => visitor.visit_i64(number),
            Some(Plain::Float(number)) => visitor.visit_f64(number),
            _ => return Err(self.mismatch(&visitor)),
        };
        result.map_err(|failure: Failure| failure.at(self.node))
    }

    fn secret<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let scalar = self.scalar().ok_or_else(|| self.mismatch(&visitor))?;
        match &scalar.secret {
            Some(hidden) => {
                let parts = hidden.parts.iter().map(String::as_str);
                let texts = [scalar.text.as_str(), &hidden.shown].into_iter().chain(parts);
                visitor.visit_seq(SeqDeserializer::new(texts))
            }
            None => visitor.visit_newtype_struct(self),
        }
    }

    fn entries<V: Visitor<'de>>(self, fields: Option<Names>, visitor: V) -> Result<V::Value, Failure> {
        let tree = self.decoder.tree;
        if !matches!(tree.node(self.node).content, Content::Mapping(_)) {
            return Err(self.mismatch(&visitor));
        }
        let assigned = match fields {
            Some(fields) => self.decoder.assign(self.node, fields),
            None => tree.entries(self.node).iter().map(|entry| (entry.key.as_str(), entry)).collect(),
        };
        let missing = self.decoder.missing_in(self.node).into_iter();
        let entries = Entries { decoder: self.decoder, rest: assigned.into_iter(), missing, current: None };
        visitor.visit_map(entries).map_err(|failure: Failure| failure.at(self.node))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.number(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Failure;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.decoder.step(self.node)?;
        self.refuse_secret()?;
        let result = match (&self.decoder.tree.node(self.node).content, self.plain()) {
            (Content::Sequence(_), _) => return self.deserialize_seq(visitor),
            (Content::Mapping(_), _) => return self.deserialize_map(visitor),
            (_, Some(Plain::Null)) => visitor.visit_unit(),
            (_, Some(Plain::Bool(truth))) => visitor.visit_bool(truth),
            (_, Some(Plain::Unsigned(_) | Plain::Signed(_) | Plain::Float(_))) => return self.number(visitor),
            (Content::Scalar(scalar), _) => visitor.visit_borrowed_str(&scalar.text),
        };
        result.map_err(|failure: Failure| failure.at(self.node))
    }

    /// Numbers and truths are taken as they are written: `name: 123` is a name, and a time is told that `30` lacks
    /// its unit.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.decoder.step(self.node)?;
        self.refuse_secret()?;
        match self.scalar() {
            Some(scalar) if self.plain() != Some(Plain::Null) => {
                visitor.visit_borrowed_str(&scalar.text).map_err(|failure: Failure| failure.at(self.node))
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.refuse_secret()?;
        match self.plain() {
            Some(Plain::Bool(truth)) => visitor.visit_bool(truth),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.plain() == Some(Plain::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        match name {
            FIELD => {
                self.decoder.step(self.node)?;
                visitor.visit_seq(Attempts::at(self))
            }
            RAW => visitor.visit_u64(self.node as u64),
            Secret::PLACE => self.secret(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let tree = self.decoder.tree;
        match tree.node(self.node).content {
            Content::Sequence(_) => {
                visitor.visit_seq(Elements { decoder: self.decoder, rest: tree.elements(self.node).iter() })
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.entries(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: Names, v: V) -> Result<V::Value, Failure> {
        self.entries(Some(fields), v)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.refuse_secret()?;
        let tree = self.decoder.tree;
        if let ("ProcessSelector", [entry]) = (name, tree.entries(self.node))
            && entry.key == "process"
        {
            // Targets of faults are written `{ process: { service: NAME } }`; probes may do the same.
            return Value { node: entry.value, ..self }.deserialize_enum("", words, visitor);
        }
        let variant = match (&tree.node(self.node).content, tree.entries(self.node)) {
            (Content::Scalar(scalar), _) => Variant::Word(&scalar.text),
            (Content::Mapping(_), [entry]) => Variant::Entry(self.decoder, entry),
            _ => {
                let choices: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                let message = format!("exactly one of {} stands here; keep one of them", choices.join(", "));
                return Err(Failure::new(Kind::Other(message)).at(self.node));
            }
        };
        visitor.visit_enum(variant).map_err(|failure: Failure| failure.at(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    serde::forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct }
}
