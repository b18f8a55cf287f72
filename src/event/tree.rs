//! Places in a JSON document, by JSON pointer, found in one pass over it. What is done with a value is the sink's
//! business.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::json::{self, Read};

/// A value in the document: the slots that want it, and what is wanted below it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Slots that read this value.
    wanted: Vec<usize>,
    /// Slots that read something below it.
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

/// Receives the values of wanted slots. A value may come twice if its key does; the last one counts.
pub(super) trait Sink<'a> {
    fn take(&mut self, slot: usize, raw: &'a str) -> Read;

    /// Forgets what came before for this slot, because the object around it comes again.
    fn clear(&mut self, slot: usize);

    /// Something is wanted below `raw`, which is neither an object nor null.
    fn mismatch(&mut self, raw: &str) -> Read;

    /// A member that no slot wants.
    fn undeclared(&mut self);
}

impl Tree {
    /// Registers that `slot` reads the value at `pointer`.
    pub(super) fn want(&mut self, pointer: &str, slot: usize) {
        let mut node = self;
        for token in json::tokens(pointer) {
            node.below.push(slot);
            node = node.members.get_or_insert_default().entry(token);
        }
        node.wanted.push(slot);
    }

    /// Declares the member that `pointer` leads through: another reader takes it.
    pub(super) fn know(&mut self, pointer: &str) {
        if let (Some(members), Some(token)) = (&mut self.members, json::tokens(pointer).next()) {
            members.entry(token);
        }
    }

    /// Registers an object even if no slot reads anything in it.
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
        for &slot in &self.wanted {
            sink.take(slot, raw)?;
        }
        let Some(members) = &self.members else { return Ok(()) };
        for &slot in &self.below {
            sink.clear(slot);
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
        let child = *self.index.entry(token.clone()).or_insert(next);
        if child == next {
            self.indexed |= token.parse::<usize>().is_ok();
            self.names.push(token);
            self.nodes.push(Tree::default());
            self.followers = (0..=self.names.len()).map(|name| AtomicUsize::new(name + 1)).collect();
            self.followers[self.names.len()] = AtomicUsize::new(0);
        }
        &mut self.nodes[child]
    }

    fn walk_object<'a>(&self, raw: &'a str, sink: &mut impl Sink<'a>) -> Read {
        let mut last = self.names.len();
        json::members(raw, |key: Cow<'a, str>, raw| {
            let Some(child) = self.find(last, &key) else {
                sink.undeclared();
                return Ok(());
            };
            last = child;
            self.nodes[child].walk(raw, sink).map_err(|fault| fault.below(&key))
        })
    }

    fn walk_array<'a>(&self, raw: &'a str, sink: &mut impl Sink<'a>) -> Read {
        json::elements(raw, |index, raw| {
            let token = index.to_string();
            let Some(&child) = self.index.get(&token) else { return Ok(()) };
            self.nodes[child].walk(raw, sink).map_err(|fault| fault.below(&token))
        })
    }

    #[inline]
    fn find(&self, last: usize, key: &str) -> Option<usize> {
        let guess = self.followers[last].load(Ordering::Relaxed);
        if self.names.get(guess).is_some_and(|name| name == key) {
            return Some(guess);
        }
        let child = *self.index.get(key)?;
        self.followers[last].store(child, Ordering::Relaxed);
        Some(child)
    }
}
