//! What was seen at one place of the payloads: which kinds of values, in which forms, how often.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Node, TextForm};

/// Beyond so many values a text is no enumeration, and more of them say nothing new.
const VALUES_MAX: usize = 64;
/// A longer text is none of an enumeration's.
const VALUE_LONGEST: usize = 48;
/// Beyond so many members an object is no struct.
pub(super) const MEMBERS_MAX: usize = 1_024;

/// All values at one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    pub(super) nulls: u64,
    pub(super) bools: u64,
    pub(super) numbers: Numbers,
    pub(super) texts: Texts,
    pub(super) lists: u64,
    /// The items of all lists; none if all were empty.
    pub(super) items: Option<Box<Observed>>,
    pub(super) objects: u64,
    pub(super) members: Members,
    /// Values whose parts were not looked at.
    pub(super) opaque: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    pub(super) count: u64,
    /// Most digits before and behind the point.
    pub(super) whole: usize,
    pub(super) fraction: usize,
    pub(super) has_exponents: bool,
    /// One is beyond what a float holds.
    pub(super) is_infinite: bool,
    /// Of those that are integers of 64 bits; none if one is not.
    pub(super) range: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    pub(super) count: u64,
    pub(super) timestamps: u64,
    pub(super) http_dates: u64,
    pub(super) dates: u64,
    pub(super) decimals: u64,
    pub(super) whole: usize,
    pub(super) fraction: usize,
    /// How often each occurred.
    pub(super) values: BTreeMap<String, u64>,
    /// Whether `values` lacks some.
    pub(super) has_others: bool,
}

/// Members in the order in which they first occurred.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    pub(super) list: Vec<Member>,
    index: HashMap<String, usize>,
    /// Whether `list` lacks some.
    pub(super) has_others: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Member {
    pub(super) name: String,
    /// In how many objects it is.
    pub(super) present: u64,
    /// The object that had it last, by its number.
    last_object: u64,
    pub(super) observed: Observed,
}

impl Observed {
    pub(super) fn see(&mut self, node: &Node<'_>) {
        match node {
            Node::Null => self.nulls += 1,
            Node::Bool(_) => self.bools += 1,
            Node::Number(text) => self.numbers.see(text),
            Node::Text(text) => self.texts.see(text),
            Node::Opaque => self.opaque += 1,
            Node::List(items) => {
                self.lists += 1;
                for item in items {
                    self.items.get_or_insert_default().see(item);
                }
            }
            Node::Object(members) => {
                self.objects += 1;
                for (name, value) in members {
                    let Some(member) = self.members.entry(name) else { continue };
                    if member.last_object != self.objects {
                        (member.last_object, member.present) = (self.objects, member.present + 1);
                    }
                    member.observed.see(value);
                }
            }
        }
    }

    /// Takes what was seen elsewhere for seen here.
    pub(super) fn merge(&mut self, other: &Observed) {
        self.nulls += other.nulls;
        self.bools += other.bools;
        self.lists += other.lists;
        self.opaque += other.opaque;
        self.numbers.merge(&other.numbers);
        self.texts.merge(&other.texts);
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items);
        }
        self.objects += other.objects;
        self.members.has_others |= other.members.has_others;
        for theirs in &other.members.list {
            if let Some(own) = self.members.entry(&theirs.name) {
                own.present += theirs.present;
                own.last_object = self.objects;
                own.observed.merge(&theirs.observed);
            }
        }
    }
}

impl Numbers {
    fn see(&mut self, text: &str) {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (digits, has_exponent) = match digits.split_once(['e', 'E']) {
            Some((digits, _)) => (digits, true),
            None => (digits, false),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let integer = if fraction.is_empty() && !has_exponent { text.parse::<i64>().ok() } else { None };
        self.range = match (self.count, self.range, integer) {
            (0, _, Some(one)) => Some((one, one)),
            (_, Some((least, greatest)), Some(one)) => Some((least.min(one), greatest.max(one))),
            _ => None,
        };
        self.count += 1;
        self.whole = self.whole.max(whole.len());
        self.fraction = self.fraction.max(fraction.len());
        self.has_exponents |= has_exponent;
        self.is_infinite |= text.parse::<f64>().is_ok_and(f64::is_infinite);
    }

    fn merge(&mut self, other: &Self) {
        self.range = match (self.count, other.count) {
            (0, _) => other.range,
            (_, 0) => self.range,
            _ => self.range.zip(other.range).map(|(own, theirs)| (own.0.min(theirs.0), own.1.max(theirs.1))),
        };
        self.count += other.count;
        self.whole = self.whole.max(other.whole);
        self.fraction = self.fraction.max(other.fraction);
        self.has_exponents |= other.has_exponents;
        self.is_infinite |= other.is_infinite;
    }
}

impl Texts {
    fn see(&mut self, text: &str) {
        self.count += 1;
        match TextForm::of(text) {
            Some(TextForm::Timestamp) => self.timestamps += 1,
            Some(TextForm::HttpDate) => self.http_dates += 1,
            Some(TextForm::Date) => self.dates += 1,
            Some(TextForm::Decimal { whole, fraction }) => {
                self.decimals += 1;
                (self.whole, self.fraction) = (self.whole.max(whole), self.fraction.max(fraction));
            }
            None => {}
        }
        self.take(text, 1);
    }

    fn take(&mut self, text: &str, times: u64) {
        if let Some(count) = self.values.get_mut(text) {
            *count += times;
        } else if self.values.len() < VALUES_MAX && text.chars().count() <= VALUE_LONGEST {
            self.values.insert(text.to_owned(), times);
        } else {
            self.has_others = true;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.timestamps += other.timestamps;
        self.http_dates += other.http_dates;
        self.dates += other.dates;
        self.decimals += other.decimals;
        (self.whole, self.fraction) = (self.whole.max(other.whole), self.fraction.max(other.fraction));
        self.has_others |= other.has_others;
        other.values.iter().for_each(|(text, times)| self.take(text, *times));
    }
}

impl Member {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        self.index.get(name).map(|place| &self.list[*place])
    }

    /// The member of this name; none if there are too many others.
    fn entry(&mut self, name: &str) -> Option<&mut Member> {
        let place = match self.index.get(name) {
            Some(place) => *place,
            None if self.list.len() < MEMBERS_MAX => {
                self.list.push(Member::named(name));
                self.index.insert(name.to_owned(), self.list.len() - 1);
                self.list.len() - 1
            }
            None => {
                self.has_others = true;
                return None;
            }
        };
        self.list.get_mut(place)
    }
}
