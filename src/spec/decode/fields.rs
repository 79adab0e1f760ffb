//! The names of a struct's fields, asked of serde itself: one list, in the struct.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::Names;

/// The names of the fields of a struct; none of anything else.
pub fn fields_of<'de, T: Deserialize<'de>>() -> Names {
    let mut names: Names = &[];
    // It always fails: all we want is what it asks for.
    drop(T::deserialize(Ask(&mut names)));
    names
}

struct Ask<'n>(&'n mut Names);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only the names are wanted"))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: Names, _: V) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only the names are wanted"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
