//! Places in a JSON document, by JSON pointer, found in one pass over it. What is done with a value is the sink's
//! business.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::json::{self, Read};

/// A value in the document: the places that want it, and what is wanted below it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Places that read this value.
    wanted: Vec<usize>,
    /// Places that read something below it.
    below: Vec<usize>,
    /// None if nothing below it matters: then it may be of any type.
    members: Option<WantedMembers>,
}

#[derive(Debug, Default)]
struct WantedMembers {
    names: Vec<String>,
    nodes: Vec<Tree>,
    index: HashMap<String, usize>,
    /// For each name the one that followed it last time, and at the end the one that came first. Only a guess,
    /// because producers write their fields in one order: a wrong one costs a look-up and nothing else.
    followers: Vec<AtomicUsize>,
    /// Whether a name is a number, so that an array can be meant.
    indexed: bool,
}

/// Receives the values of wanted places. A value may come twice if its key does; the last one counts.
pub(super) trait Sink<'a> {
    fn take(&mut self, place: usize, raw: &'a str) -> Read;

    /// Forgets what came before for this place, because the object around it comes again.
    fn clear(&mut self, place: usize);

    /// Something is wanted below `raw`, which is neither an object nor null.
    fn mismatch(&mut self, raw: &str) -> Read;

    /// A member that no place wants.
    fn undeclared(&mut self);
}

impl Tree {
    /// Asks for the value at `pointer` under the number `place`.
    pub(super) fn want(&mut self, pointer: &str, place: usize) {
        let mut node = self;
        for token in json::tokens(pointer) {
            node.below.push(place);
            node = node.members.get_or_insert_default().entry(token);
        }
        node.wanted.push(place);
    }

    /// Declares the member that `pointer` leads through: another reader takes it.
    pub(super) fn know(&mut self, pointer: &str) {
        if let (Some(members), Some(token)) = (&mut self.members, json::tokens(pointer).next()) {
            members.entry(token);
        }
    }

    /// Asks for an object even if nothing in it is wanted.
    pub(super) fn expect_object(&mut self) {
        self.members.get_or_insert_default();
    }

    /// Hands the wanted values of a whole document to the sink. Checks the syntax of all of it.
    #[inline]
    pub(super) fn walk_document<'a>(&self, text: &'a str, sink: &mut impl Sink<'a>) -> Read {
        let raw = text.trim_matches([' ', '\t', '\r', '\n']);
        // The walk through an object checks it on the way.
        if !(raw.starts_with('{') && self.wanted.is_empty() && self.members.is_some()) {
            json::check(raw)?;
        }
        self.walk(raw, sink)
    }

    /// The same for a value that is known to be JSON.
    pub(super) fn walk<'a>(&self, raw: &'a str, sink: &mut impl Sink<'a>) -> Read {
        for &place in &self.wanted {
            sink.take(place, raw)?;
        }
        let Some(members) = &self.members else { return Ok(()) };
        for &place in &self.below {
            sink.clear(place);
        }
        match raw.as_bytes().first() {
            Some(b'{') => members.walk_object(raw, sink),
            Some(b'[') if members.indexed => members.walk_array(raw, sink),
            Some(b'n') => Ok(()),
            _ => sink.mismatch(raw),
        }
    }
}

impl WantedMembers {
    fn entry(&mut self, token: String) -> &mut Tree {
        let next = self.names.len();
        let place = *self.index.entry(token.clone()).or_insert(next);
        if place == next {
            self.indexed |= token.parse::<usize>().is_ok();
            self.names.push(token);
            self.nodes.push(Tree::default());
            self.followers = (0..=self.names.len()).map(|name| AtomicUsize::new(name + 1)).collect();
            self.followers[self.names.len()] = AtomicUsize::new(0);
        }
        &mut self.nodes[place]
    }

    fn walk_object<'a>(&self, raw: &'a str, sink: &mut impl Sink<'a>) -> Read {
        let mut last = self.names.len();
        json::members(raw, |key: Cow<'a, str>, raw| {
            let Some(place) = self.find(last, &key) else {
                sink.undeclared();
                return Ok(());
            };
            last = place;
            self.nodes[place].walk(raw, sink).map_err(|fault| fault.below(&key))
        })
    }

    fn walk_array<'a>(&self, raw: &'a str, sink: &mut impl Sink<'a>) -> Read {
        json::elements(raw, |place, raw| {
            let token = place.to_string();
            let Some(&place) = self.index.get(&token) else { return Ok(()) };
            self.nodes[place].walk(raw, sink).map_err(|fault| fault.below(&token))
        })
    }

    #[inline]
    fn find(&self, last: usize, key: &str) -> Option<usize> {
        let guess = self.followers[last].load(Ordering::Relaxed);
        if self.names.get(guess).is_some_and(|name| name == key) {
            return Some(guess);
        }
        let place = *self.index.get(key)?;
        self.followers[last].store(place, Ordering::Relaxed);
        Some(place)
    }
}
