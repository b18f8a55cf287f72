//! JSON text read one level at a time: each member or element is handed on as the text that was written, so that
//! numbers keep their digits. What the values mean is not known here.
//!
//! Syntax is checked by serde_json. A key that occurs twice is handed on twice: the reader keeps the last.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::Reason;

/// The outcome of reading; boxed because it is passed through the hot path and nearly always absent.
pub(super) type Read<T = ()> = Result<T, Box<Fault>>;

/// Why a document cannot become an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    /// JSON pointer of the culprit, below the value that was read. None if the text is not JSON at all.
    pub(super) pointer: Option<String>,
    pub(super) detail: String,
}

impl Fault {
    /// A fault of the value itself.
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Box<Self> {
        Self::at(reason, String::new(), detail)
    }

    pub(super) fn at(reason: Reason, pointer: String, detail: impl Into<String>) -> Box<Self> {
        Box::new(Self { reason, pointer: Some(pointer), detail: detail.into() })
    }

    pub(super) fn malformed(detail: impl fmt::Display) -> Box<Self> {
        Box::new(Self { reason: Reason::Malformed, pointer: None, detail: detail.to_string() })
    }

    /// `error` is what a library says of a text, in its own terms.
    pub(super) fn not_json(error: impl fmt::Display) -> Box<Self> {
        Self::malformed(format_args!("the payload is not JSON: {error}"))
    }

    pub(super) fn wrong_type(expected: &str, raw: &str) -> Box<Self> {
        Self::new(Reason::WrongType, format!("expected {expected}, found {}", kind(raw)))
    }

    /// The same fault seen from one level up.
    pub(super) fn below(mut self: Box<Self>, token: &str) -> Box<Self> {
        self.pointer = self.pointer.map(|pointer| format!("/{}{pointer}", escape(token)));
        self
    }

    /// The same fault seen from the document whose part at `root` was read.
    pub(super) fn within(mut self: Box<Self>, root: &str) -> Box<Self> {
        self.pointer = self.pointer.map(|pointer| format!("{root}{pointer}"));
        self
    }
}

/// What a JSON value is, for messages.
pub(super) fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The text of a JSON string, borrowed where it has no escapes; none if the value is not a string.
pub(super) fn string(raw: &str) -> Read<Option<Cow<'_, str>>> {
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Ok(None);
    };
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str(raw).map(|text: String| Some(Cow::Owned(text))).map_err(Fault::malformed);
    }
    Ok(Some(Cow::Borrowed(inner)))
}

/// Checks that `text` is one JSON value and nothing more.
pub(super) fn check(text: &str) -> Read {
    serde_json::from_str::<&RawValue>(text).map(|_| ()).map_err(Fault::not_json)
}

/// Hands on every member of the object `text`, in the order written.
pub(super) fn members<'a, F>(text: &'a str, visit: F) -> Read
where
    F: FnMut(Cow<'a, str>, &'a str) -> Read,
{
    let mut fault = None;
    let mut deserializer = Deserializer::from_str(text);
    let outcome = deserializer.deserialize_map(MemberVisitor { visit, fault: &mut fault });
    finish(outcome.and_then(|()| deserializer.end()), fault)
}

/// Hands on every element of the array `text` with its index.
pub(super) fn elements<'a, F>(text: &'a str, visit: F) -> Read
where
    F: FnMut(usize, &'a str) -> Read,
{
    let mut fault = None;
    let mut deserializer = Deserializer::from_str(text);
    let outcome = deserializer.deserialize_seq(Elements { visit, fault: &mut fault });
    finish(outcome.and_then(|()| deserializer.end()), fault)
}

/// The tokens of a JSON pointer.
pub(super) fn tokens(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// A key as a token of a JSON pointer.
pub(super) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn finish(outcome: serde_json::Result<()>, fault: Option<Box<Fault>>) -> Read {
    match (outcome, fault) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(fault)) => Err(fault),
        (Err(error), None) => Err(Fault::not_json(error)),
    }
}

struct MemberVisitor<'f, F> {
    visit: F,
    fault: &'f mut Option<Box<Fault>>,
}

impl<'de, F: FnMut(Cow<'de, str>, &'de str) -> Read> Visitor<'de> for MemberVisitor<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let value: &'de RawValue = map.next_value()?;
            if let Err(fault) = (self.visit)(key, value.get()) {
                *self.fault = Some(fault);
                return Err(A::Error::custom("stopped by a fault"));
            }
        }
        Ok(())
    }
}

struct Elements<'f, F> {
    visit: F,
    fault: &'f mut Option<Box<Fault>>,
}

impl<'de, F: FnMut(usize, &'de str) -> Read> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(value) = seq.next_element::<&'de RawValue>()? {
            if let Err(fault) = (self.visit)(index, value.get()) {
                *self.fault = Some(fault);
                return Err(A::Error::custom("stopped by a fault"));
            }
            index += 1;
        }
        Ok(())
    }
}

/// Reads a key without a copy where it has no escapes, which `Cow`'s own implementation would make.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
