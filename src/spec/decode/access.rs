//! Walks lists, mappings and enums for serde.

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::Decoder;
use super::failure::{Failure, Kind};
use super::placeholder::Placeholder;
use super::value::Value;
use crate::spec::scalar::{Plain, resolve};
use crate::spec::tree::{Entry, NodeId};

/// Reads a node, or a placeholder where the node is known to be wrong.
fn read<'t, S: DeserializeSeed<'t>>(value: Value<'_, 't>, seed: S) -> Result<S::Value, Failure> {
    if value.decoder.is_poisoned(value.node) {
        return seed.deserialize(Placeholder { node: value.node, used: &value.decoder.pretended });
    }
    seed.deserialize(value).map_err(|failure: Failure| value.blame(failure))
}

/// The elements of a list.
pub(super) struct Elements<'d, 't> {
    pub decoder: &'d Decoder<'t>,
    pub rest: std::slice::Iter<'t, NodeId>,
}

impl<'t> SeqAccess<'t> for Elements<'_, 't> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let decoder = self.decoder;
        self.rest.next().map(|&node| read(Value { decoder, node, key: None }, seed)).transpose()
    }
}

/// The entries of a mapping, each under the name it is read by, then placeholders for fields that are missing.
pub(super) struct Entries<'d, 't> {
    pub decoder: &'d Decoder<'t>,
    pub rest: std::vec::IntoIter<(&'t str, &'t Entry)>,
    pub missing: std::vec::IntoIter<&'static str>,
    pub current: Option<(&'t str, NodeId)>,
}

impl<'t> MapAccess<'t> for Entries<'_, 't> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.current = self.rest.next().map(|(name, entry)| (name, entry.value));
        match self.current.map(|(name, _)| name).or_else(|| self.missing.next()) {
            Some(name) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        match self.current {
            Some((name, node)) => read(Value { decoder: self.decoder, node, key: Some(name) }, seed),
            None => seed.deserialize(Placeholder { node: self.decoder.tree.root, used: &self.decoder.pretended }),
        }
    }
}

/// A word, or a mapping of one entry, as an enum.
pub(super) enum Variant<'d, 't> {
    Word(&'t str),
    Entry(&'d Decoder<'t>, &'t Entry),
}

impl<'t> EnumAccess<'t> for Variant<'_, 't> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let word = match &self {
            Self::Word(word) => *word,
            Self::Entry(_, entry) => entry.key.as_str(),
        };
        let name: StrDeserializer<'_, Failure> = word.into_deserializer();
        seed.deserialize(name).map(|value| (value, self))
    }
}

impl<'t> VariantAccess<'t> for Variant<'_, 't> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self {
            Self::Word(_) => Ok(()),
            Self::Entry(_, entry) => Err(Failure::new(Kind::Type(format!("just `{}`", entry.key)))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<S::Value, Failure> {
        match self {
            Self::Entry(decoder, entry) => read(Value { decoder, node: entry.value, key: Some(&entry.key) }, seed),
            Self::Word(word) => Err(Failure::new(Kind::Type(format!("written as `{{ {word}: ... }}`")))),
        }
    }

    fn tuple_variant<V: Visitor<'t>>(self, _: usize, _: V) -> Result<V::Value, Failure> {
        Err(Failure::new(Kind::Silent))
    }

    fn struct_variant<V: Visitor<'t>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Failure> {
        Err(Failure::new(Kind::Silent))
    }
}

/// A [`super::Field`]'s view of its node: first the place, then attempts at the value.
pub(super) struct Attempts<'d, 't> {
    value: Value<'d, 't>,
    started: bool,
    broken: bool,
    again: bool,
}

impl<'d, 't> Attempts<'d, 't> {
    pub(super) const fn at(value: Value<'d, 't>) -> Self {
        Self { value, started: false, broken: false, again: true }
    }

    fn place<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.started = true;
        let (tree, node) = (self.value.decoder.tree, self.value.node);
        let head = tree.head(node);
        let empty = tree.scalar(node).is_some_and(|scalar| scalar.plain && resolve(&scalar.text) == Plain::Null);
        let place = [head.start, head.end, usize::from(empty)];
        seed.deserialize(SeqDeserializer::<_, Failure>::new(place.into_iter().map(Number))).map(Some)
    }
}

impl<'t> SeqAccess<'t> for Attempts<'_, 't> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        if !self.started {
            return self.place(seed);
        }
        self.again = false;
        let pretended = &self.value.decoder.pretended;
        let outer = pretended.replace(false);
        let result = seed.deserialize(self.value);
        self.broken |= pretended.replace(outer);
        match result {
            Ok(value) => Ok(Some(value).filter(|_| !self.broken)),
            Err(failure) => {
                self.broken = true;
                self.again = self.value.decoder.record(self.value.blame(failure), self.value.node);
                Ok(None)
            }
        }
    }

    /// Whether another attempt may find more.
    fn size_hint(&self) -> Option<usize> {
        Some(usize::from(self.again))
    }
}

/// A number that can also be read as a truth, for places.
struct Number(usize);

impl<'de> IntoDeserializer<'de, Failure> for Number {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> serde::Deserializer<'de> for Number {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_u64(self.0 as u64)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(self.0 > 0)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
