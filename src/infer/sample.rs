//! A message that is looked at, and the values at the places where facts about it may be.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::event::{Message, Node};

/// Levels of lists and objects below the body that are looked at.
const DEPTH: usize = 5;

/// A message with its body as a tree.
#[derive(Debug)]
pub(super) struct Sample<'a> {
    pub(super) message: &'a Message,
    pub(super) body: Body<'a>,
}

#[derive(Debug)]
pub(super) enum Body<'a> {
    Empty,
    Json(Node<'a>),
    /// It is not JSON, or no text.
    Faulty,
}

/// Where a fact about an event may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Header(String),
    Body(String),
    Subject(usize),
}

/// What a place has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<'a> {
    Text(Cow<'a, str>),
    Number(&'a str),
    /// What cannot be a fact.
    Other,
}

impl<'a> Sample<'a> {
    pub(super) fn new(message: &'a Message) -> Self {
        let text = std::str::from_utf8(&message.payload).ok();
        let body = match text {
            Some("") => Body::Empty,
            Some(text) => Node::read(text, DEPTH).map_or(Body::Faulty, Body::Json),
            None => Body::Faulty,
        };
        Self { message, body }
    }

    pub(super) fn json(&self) -> Option<&Node<'a>> {
        match &self.body {
            Body::Json(node) => Some(node),
            _ => None,
        }
    }

    /// What is at a place; none if nothing is.
    pub(super) fn find(&self, place: &Place) -> Option<Found<'_>> {
        match place {
            Place::Header(name) => {
                let value = self.message.headers.get(name)?;
                let is_attribute = name.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("ce-"));
                if !is_attribute {
                    return Some(Found::Text(Cow::Borrowed(value)));
                }
                // As older publishers quote them they are left to the decoder.
                Some(percent_decode_str(value).decode_utf8().map_or(Found::Other, Found::Text))
            }
            Place::Subject(token) => self.message.subject.split('.').nth(token - 1).map(|one| Found::Text(one.into())),
            Place::Body(pointer) => match self.json()?.at(pointer)? {
                Node::Null => None,
                Node::Text(text) => Some(Found::Text(Cow::Borrowed(text))),
                Node::Number(text) => Some(Found::Number(text)),
                _ => Some(Found::Other),
            },
        }
    }

    /// The fact at a place, as text.
    pub(super) fn text(&self, place: &Place) -> Option<Cow<'_, str>> {
        match self.find(place)? {
            Found::Text(text) => Some(text),
            Found::Number(text) => Some(Cow::Borrowed(text)),
            Found::Other => None,
        }
    }
}

impl Place {
    /// As the configuration writes it.
    pub(super) fn written(&self) -> String {
        match self {
            Place::Header(name) => format!("header:{name}"),
            Place::Body(pointer) => format!("body:{pointer}"),
            Place::Subject(token) => format!("subject:{token}"),
        }
    }

    /// The name by which it says what it is.
    pub(super) fn name(&self) -> &str {
        match self {
            Place::Header(name) | Place::Body(name) => name,
            Place::Subject(_) => "",
        }
    }
}
