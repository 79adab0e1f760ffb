//! Stands in for a value that is wrong or missing, so that the values beside it are read all the same. What is read
//! with it is thrown away.

use std::cell::Cell;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Expected, Visitor};

use super::failure::{Failure, Kind};
use super::field::{FIELD, RAW};
use crate::spec::tree::NodeId;

/// Any value that the visitor takes.
pub(super) struct Placeholder<'d> {
    /// The node that is wrong.
    pub node: NodeId,
    /// Told that what is read is not what the file says.
    pub used: &'d Cell<bool>,
}

/// The example that the visitor itself gives: ``a time with its unit, such as `200ms` ``.
fn example<'de>(visitor: &impl Visitor<'de>) -> String {
    let expected = (visitor as &dyn Expected).to_string();
    expected.split('`').nth(1).unwrap_or("x").to_owned()
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.used.set(true);
            visitor.visit_u64(1)
        })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.used.set(true);
            let text = example(&visitor);
            visitor.visit_string(text).map_err(|_: Failure| Failure::new(Kind::Silent))
        })*
    };
}

impl<'de> Deserializer<'de> for Placeholder<'_> {
    type Error = Failure;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    texts! { deserialize_any deserialize_str deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.used.set(true);
        visitor.visit_bool(false)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.used.set(true);
        visitor.visit_none()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.used.set(true);
        visitor.visit_seq(SeqDeserializer::<_, Failure>::new(std::iter::empty::<u8>()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.used.set(true);
        visitor.visit_map(MapDeserializer::<_, Failure>::new(std::iter::empty::<(u8, u8)>()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        match name {
            FIELD => visitor.visit_unit(),
            RAW => visitor.visit_u64(self.node as u64),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Failure> {
        Err(Failure::new(Kind::Silent))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Failure> {
        Err(Failure::new(Kind::Silent))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct
    }
}
