//! A payload as a tree, for whoever looks at what there is before anything is declared. Numbers stay as they are written.

use std::borrow::Cow;

use super::json::{self, Fault};
use super::{instant, number};

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// Members in the order in which they are written; a name may come twice.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// What only a `json` column holds: something with parts below the depth that was asked for, or text that is not Unicode.
    Opaque,
}

/// What a text says beside being one, in the forms that columns are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// RFC 3339, with its offset.
    Timestamp,
    /// RFC 1123, as in HTTP.
    HttpDate,
    /// `YYYY-MM-DD`.
    Date,
    /// Digits with a point, and how many stand on either side of it.
    Decimal { whole: usize, fraction: usize },
}

impl<'a> Node<'a> {
    /// Reads a document, as deep as `depth` levels of lists and objects.
    ///
    /// # Errors
    /// The text is not JSON, as a sentence.
    pub fn read(text: &'a str, depth: usize) -> Result<Self, String> {
        let raw = text.trim_matches([' ', '\t', '\r', '\n']);
        json::check(raw).and_then(|()| read(raw, depth)).map_err(|fault| fault.detail)
    }

    /// Whether there is something in it that was not looked at.
    pub fn has_opaque(&self) -> bool {
        match self {
            Node::Opaque => true,
            Node::List(items) => items.iter().any(Node::has_opaque),
            Node::Object(members) => members.iter().any(|(_, value)| value.has_opaque()),
            _ => false,
        }
    }

    /// The value at a JSON pointer; the last one where a name comes twice.
    pub fn at(&self, pointer: &str) -> Option<&Node<'a>> {
        json::tokens(pointer).try_fold(self, |node, token| match node {
            Node::Object(members) => members.iter().rev().find(|(name, _)| *name == token).map(|(_, value)| value),
            _ => None,
        })
    }
}

fn read(raw: &str, depth: usize) -> Result<Node<'_>, Box<Fault>> {
    Ok(match raw.as_bytes().first() {
        Some(b'n') => Node::Null,
        Some(b't') => Node::Bool(true),
        Some(b'f') => Node::Bool(false),
        Some(b'"') => json::string(raw).ok().flatten().map_or(Node::Opaque, Node::Text),
        Some(b'[' | b'{') if depth == 0 => Node::Opaque,
        Some(b'[') => {
            let mut items = Vec::new();
            json::elements(raw, |_, raw| {
                items.push(below(raw, depth));
                Ok(())
            })?;
            Node::List(items)
        }
        Some(b'{') => {
            let mut members = Vec::new();
            json::members(raw, |name, raw| {
                members.push((name, below(raw, depth)));
                Ok(())
            })?;
            Node::Object(members)
        }
        _ => Node::Number(raw),
    })
}

/// What cannot be looked into is still a value.
fn below(raw: &str, depth: usize) -> Node<'_> {
    read(raw, depth - 1).unwrap_or(Node::Opaque)
}

impl TextForm {
    /// The form of a text; none if it is just a text.
    pub fn of(text: &str) -> Option<Self> {
        if instant::rfc3339_us(text).is_some() {
            return Some(TextForm::Timestamp);
        }
        if instant::date_days(text).is_some() {
            return Some(TextForm::Date);
        }
        if let Some((whole, fraction)) = text.strip_prefix('-').unwrap_or(text).split_once('.') {
            let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
            let is_plain = !text.contains(['e', 'E']) && !has_leading_zero && fraction.len() <= 38;
            if is_plain && number::scaled(text, fraction.len() as i64).is_ok() {
                return Some(TextForm::Decimal { whole: whole.len(), fraction: fraction.len() });
            }
        }
        // The general parser takes much for a time that nobody means so.
        let is_likely = text.len() >= 16 && text.contains(':') && text.contains(' ');
        (is_likely && chrono::DateTime::parse_from_rfc2822(text).is_ok()).then_some(TextForm::HttpDate)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_depth_ends() {
        let node = Node::read(r#" {"a": [1.50, 1e3], "b": {"c": {"d": null}}, "a": "\ud800"} "#, 2).unwrap();
        let Node::Object(members) = &node else { unreachable!() };
        assert_eq!(members[0].1, Node::List(vec![Node::Number("1.50"), Node::Number("1e3")]));
        assert_eq!(members[1].1, Node::Object(vec![("c".into(), Node::Opaque)]));
        assert_eq!((node.at("/a"), node.at("/b/x")), (Some(&Node::Opaque), None));
        assert!(Node::read("{", 2).is_err());
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(Node::read(&deep, 4).is_ok());
    }

    #[test]
    fn texts_have_forms() {
        let decimal = |whole, fraction| Some(TextForm::Decimal { whole, fraction });
        for (text, form) in [
            ("2026-01-01T00:00:00+01:00", Some(TextForm::Timestamp)),
            ("2026-01-01", Some(TextForm::Date)),
            ("Thu, 01 Jan 2026 00:00:00 GMT", Some(TextForm::HttpDate)),
            ("-12.50", decimal(2, 2)),
            ("0.5", decimal(1, 1)),
            ("00.5", None),
            ("12", None),
            ("1.2.3", None),
            ("1.5e3", None),
            ("", None),
        ] {
            assert_eq!(TextForm::of(text), form, "{text}");
        }
    }
}
