//! Values of JSON in their text, read one level at a time.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A value whose elements are still text.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(String),
    List(Vec<&'a str>),
    /// By key, in the order in which the keys first occur.
    Object(Vec<(String, &'a str)>),
}

impl<'a> Value<'a> {
    /// The value of a text; None if that is no JSON.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        Some(match text.as_bytes().first()? {
            b'n' => serde_json::from_str::<()>(text).ok().map(|()| Value::Null)?,
            b't' | b'f' => Value::Bool(serde_json::from_str(text).ok()?),
            b'"' => Value::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Value::List(elements.into_iter().map(RawValue::get).collect())
            }
            b'{' => Value::Object(members(text)?),
            _ => Value::Number(serde_json::from_str::<&RawValue>(text).ok()?.get()),
        })
    }

    /// The member of a key.
    pub(super) fn member(&self, key: &str) -> Option<&'a str> {
        match self {
            Value::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| *value),
            _ => None,
        }
    }

    /// The element at a place, from 0, or from -1 backwards from the last.
    pub(super) fn element(&self, place: i64) -> Option<&'a str> {
        match self {
            Value::List(elements) => elements.get(place_in(place, elements.len())?).copied(),
            _ => None,
        }
    }

    /// What a step of a path leads to: a key of an object, a place in a list.
    pub(super) fn step(&self, step: &str) -> Option<&'a str> {
        match self {
            Value::List(_) => self.element(step.parse().ok()?),
            _ => self.member(step),
        }
    }
}

/// The index of a place among so many.
pub(super) fn place_in(place: i64, length: usize) -> Option<usize> {
    let distance = usize::try_from(place.unsigned_abs()).ok()?;
    if place < 0 { length.checked_sub(distance) } else { Some(distance) }
}

fn members(text: &str) -> Option<Vec<(String, &str)>> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members: Self::Value = Vec::new();
            while let Some((key, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                match members.iter_mut().find(|(known, _)| *known == *key) {
                    Some((_, known)) => *known = value.get(),
                    None => members.push((key.into_owned(), value.get())),
                }
            }
            Ok(members)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Members).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

/// The text without the white space between its tokens.
pub(super) fn compact(text: &str) -> Cow<'_, str> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    if !text.bytes().any(is_space) {
        return Cow::Borrowed(text);
    }
    let (mut in_text, mut escaped) = (false, false);
    let kept = text.chars().filter(|char| {
        let keeps = in_text || !char.is_ascii() || !is_space(*char as u8);
        let quotes = *char == '"' && !escaped;
        escaped = in_text && *char == '\\' && !escaped;
        in_text ^= quotes;
        keeps
    });
    Cow::Owned(kept.collect())
}

/// Whether a text is JSON, with all that is in it.
pub(super) fn is_valid(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The text of an element as SQL has it: without quotes, and NULL for null.
pub(super) fn as_text(element: &str) -> Option<String> {
    match Value::of(element)? {
        Value::Null => None,
        Value::Text(text) => Some(text),
        _ => Some(compact(element).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_last_member_of_a_key_counts_and_numbers_keep_their_text() {
        let value = Value::of(r#" {"a": 1.10, "b": [1 , {"c" : "x y"}], "a": 2.50} "#).unwrap();
        assert_eq!(value.member("a"), Some("2.50"));
        assert_eq!(compact(value.member("b").unwrap()), r#"[1,{"c":"x y"}]"#);
        assert_eq!(value.member("c"), None);
        let list = Value::of("[1,2,3]").unwrap();
        assert_eq!(
            [0, 2, 3, -1, -3, -4].map(|place| list.element(place)),
            [Some("1"), Some("3"), None, Some("3"), Some("1"), None]
        );
    }

    #[test]
    fn what_is_no_json_has_no_value() {
        for text in ["", "{", "{\"a\":1} x", "nul", "[1,]", "'a'", "01", "\"a"] {
            assert!(Value::of(text).is_none(), "{text}");
        }
        assert_eq!(compact(r#"{"a\" b": "\\" , "c":1}"#), r#"{"a\" b":"\\","c":1}"#);
    }
}
