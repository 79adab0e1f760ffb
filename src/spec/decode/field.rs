//! A value of the file that catches its own errors and knows its place.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use crate::spec::tree::NodeId;

/// Tells our deserializer that a [`Field`] is read.
pub(super) const FIELD: &str = "$chaos::field";
/// Tells our deserializer that a [`Raw`] is read.
pub(super) const RAW: &str = "$chaos::raw";

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The bytes to underline.
    pub span: Range<usize>,
}

/// A value that the file may give.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Field<T> {
    /// Its key is not there.
    #[default]
    Absent,
    /// Its key is there without a value.
    Empty(Range<usize>),
    /// It is wrong, which has been reported.
    Broken,
    /// It is right in form.
    Given(Spanned<T>),
}

impl<T> Field<T> {
    /// The value, if there is one.
    pub const fn get(&self) -> Option<&T> {
        match self {
            Self::Given(given) => Some(&given.value),
            _ => None,
        }
    }

    /// The value and its place, if there is one.
    pub const fn given(&self) -> Option<&Spanned<T>> {
        match self {
            Self::Given(given) => Some(given),
            _ => None,
        }
    }

    /// The value itself, if there is one.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Given(given) => Some(given.value),
            _ => None,
        }
    }

    /// Whether something was wrong with it, so that its absence says nothing.
    pub const fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }
}

impl<T: Clone> Field<T> {
    /// The value or, when there is none, another.
    pub fn or(&self, other: T) -> T {
        self.get().cloned().unwrap_or(other)
    }
}

impl<T> Field<Vec<T>> {
    /// The elements; none when there is no list.
    pub fn each(&self) -> &[T] {
        self.get().map_or(&[], Vec::as_slice)
    }
}

impl<'de, T: Deserialize<'de>> Field<T> {
    /// Reads it; fails never with our own deserializer.
    pub(super) fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FIELD, Catch(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

/// As the value itself: what a field adds is told when a file is read.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

struct Catch<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Catch<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of an experiment")
    }

    /// A placeholder.
    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Broken)
    }

    /// The place, then attempts at the value: the deserializer reports what is wrong itself and says by its hint
    /// whether another attempt may find more.
    fn visit_seq<A: SeqAccess<'de>>(self, mut attempts: A) -> Result<Field<T>, A::Error> {
        let Some((start, end, empty)) = attempts.next_element::<(usize, usize, bool)>()? else {
            return Ok(Field::Broken);
        };
        if empty {
            return Ok(Field::Empty(start..end));
        }
        loop {
            if let Some(value) = attempts.next_element()? {
                return Ok(Field::Given(Spanned { value, span: start..end }));
            }
            if attempts.size_hint() == Some(0) {
                return Ok(Field::Broken);
            }
        }
    }
}

/// A node that is read later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw(pub NodeId);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Place;
        impl Visitor<'_> for Place {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of an experiment")
            }
            fn visit_u64<E>(self, node: u64) -> Result<Raw, E> {
                Ok(Raw(usize::try_from(node).unwrap_or(0)))
            }
        }
        deserializer.deserialize_newtype_struct(RAW, Place)
    }
}
