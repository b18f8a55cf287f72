//! Identities: what an operator, a source or a projection computes, as a hash of a canonical encoding.
//!
//! State belongs to an identity, not to a place in a build: another build that arrives at the same identity goes on from
//! the state, and one that arrives at another identity does not touch it. So the encoding is written out here item by
//! item, with a tag and a length for each, and depends neither on `Debug` output nor on the layout of a Rust type.
//!
//! Pure. What goes into a specification is decided by the room that knows it.

mod arrow_type;

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The hash of a [`Specification`]; in text 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Identity(u128);

/// A canonical encoding in the making. Two specifications have the same identity exactly if the same items were added in
/// the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specification {
    bytes: Vec<u8>,
}

/// What kind of item follows. Part of the encoding: numbers are never reused.
#[derive(Debug, Clone, Copy)]
enum Tag {
    Text = 1,
    Number = 2,
    Flag = 3,
    Bytes = 4,
    List = 5,
    Absent = 6,
    Identity = 7,
}

impl Specification {
    /// Begins the specification of one kind of thing. A change of what the kind persists or means that no other item
    /// shows needs another `kind`: by convention a name and a number, such as `aggregate/1`.
    pub fn of(kind: &str) -> Self {
        Self { bytes: Vec::new() }.text(kind)
    }

    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.sized(Tag::Text, text.as_bytes())
    }

    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.sized(Tag::Bytes, bytes)
    }

    #[must_use]
    pub fn number(mut self, number: impl Into<i128>) -> Self {
        self.bytes.push(Tag::Number as u8);
        self.bytes.extend(number.into().to_le_bytes());
        self
    }

    /// A column, a node, or anything else that is known by its index.
    #[must_use]
    pub fn index(self, index: usize) -> Self {
        self.number(index as u64)
    }

    #[must_use]
    pub fn flag(mut self, flag: bool) -> Self {
        self.bytes.extend([Tag::Flag as u8, u8::from(flag)]);
        self
    }

    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.bytes.push(Tag::Identity as u8);
        self.bytes.extend(identity.0.to_le_bytes());
        self
    }

    /// The number of items, then each of them as `item` adds it.
    #[must_use]
    pub fn list<T>(mut self, items: impl ExactSizeIterator<Item = T>, item: impl Fn(Self, T) -> Self) -> Self {
        self.bytes.push(Tag::List as u8);
        self.bytes.extend((items.len() as u64).to_le_bytes());
        items.fold(self, item)
    }

    /// Like [`Specification::list`], where adding an item can fail.
    ///
    /// # Errors
    /// The first error of `item`.
    pub fn try_list<T, E>(
        mut self,
        mut items: impl ExactSizeIterator<Item = T>,
        item: impl Fn(Self, T) -> Result<Self, E>,
    ) -> Result<Self, E> {
        self.bytes.push(Tag::List as u8);
        self.bytes.extend((items.len() as u64).to_le_bytes());
        items.try_fold(self, item)
    }

    /// Encodes the absence of a part that another specification may have.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.bytes.push(Tag::Absent as u8);
        self
    }

    /// What `item` adds, or that it is absent.
    #[must_use]
    pub fn option<T>(self, value: Option<T>, item: impl Fn(Self, T) -> Self) -> Self {
        match value {
            Some(value) => item(self, value),
            None => self.absent(),
        }
    }

    #[must_use]
    pub fn data_type(self, data_type: &DataType) -> Self {
        arrow_type::data_type(self, data_type)
    }

    /// Names, types and nullability of the columns, and their metadata.
    #[must_use]
    pub fn schema(self, schema: &Schema) -> Self {
        self.list(schema.fields().iter(), |specification, field| arrow_type::field(specification, field))
    }

    pub fn finish(&self) -> Identity {
        Identity(xxh3_128(&self.bytes))
    }

    fn sized(mut self, tag: Tag, bytes: &[u8]) -> Self {
        self.bytes.push(tag as u8);
        self.bytes.extend((bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }
}

impl Identity {
    /// The same computation among others that bear on it.
    #[must_use]
    pub fn among(self, others: Identity) -> Self {
        Specification::of("among/1").identity(self).identity(others).finish()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Identity {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}

impl TryFrom<String> for Identity {
    type Error = ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(fill: impl FnOnce(Specification) -> Specification) -> Identity {
        fill(Specification::of("test/1")).finish()
    }

    #[test]
    fn items_cannot_run_into_each_other() {
        let different = [
            identity(|spec| spec),
            identity(|spec| spec.text("ab").text("c")),
            identity(|spec| spec.text("a").text("bc")),
            identity(|spec| spec.text("abc")),
            identity(|spec| spec.bytes(b"abc")),
            identity(|spec| spec.list(["abc"].iter(), |spec, text| spec.text(text))),
            identity(|spec| spec.list(["abc"; 0].iter(), |spec, text| spec.text(text)).text("abc")),
            identity(|spec| spec.number(1)),
            identity(|spec| spec.flag(true)),
            identity(|spec| spec.absent()),
        ];
        for (index, one) in different.iter().enumerate() {
            assert!(!different[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn the_encoding_is_the_same_in_every_build() {
        let identity = identity(|spec| {
            spec.text("orders").number(-3).flag(true).index(7).absent().data_type(&DataType::Decimal128(18, 2))
        });
        // If this fails, checkpoints of earlier builds would be built again for no reason.
        assert_eq!(identity.to_string(), "940173bfb94a1a689ba279fb16f419b8");
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
}
