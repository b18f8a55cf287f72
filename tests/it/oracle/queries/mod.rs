//! Random queries over everything that can be kept, in levels over each other.

mod groups;
mod items;
mod relations;
mod selections;
mod sets;
mod subqueries;
mod windows;

use std::collections::BTreeSet;

use super::expressions::Column;
use super::syntax::Query;
use super::types::EventType;

/// A query, and what is known of its result.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) query: Query,
    pub(super) columns: Vec<Column>,
    /// Columns that no two rows share, if any are known.
    pub(super) key: Option<Vec<String>>,
    /// Whether rows are never taken back.
    pub(super) append_only: bool,
    /// Whether the rows are those of one event relation.
    in_stream_order: bool,
    /// Whether each row comes from one event.
    row_wise: bool,
}

/// A projection that later ones may read.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) append_only: bool,
}

pub(super) struct Queries<'a> {
    pub(super) random: &'a mut fastrand::Rng,
    pub(super) types: &'a [EventType],
    pub(super) known: &'a [Known],
    pub(super) may_fail: bool,
    /// What was made, for the report.
    pub(super) features: BTreeSet<String>,
    names: usize,
}

impl<'a> Queries<'a> {
    pub(super) fn new(
        random: &'a mut fastrand::Rng,
        types: &'a [EventType],
        known: &'a [Known],
        may_fail: bool,
    ) -> Self {
        Self { random, types, known, may_fail, features: BTreeSet::new(), names: 0 }
    }

    /// A query with at most so many levels.
    pub(super) fn query(&mut self, levels: usize) -> Made {
        match self.random.u8(..46) {
            0..=2 => self.rows(levels),
            3..=12 => self.groups(levels),
            13 => self.total(levels),
            14 | 15 => self.distinct(levels),
            16 | 17 => self.distinct_on(levels),
            18 | 19 => self.unnest(levels),
            20..=23 => self.window(levels),
            24..=26 => self.top(levels),
            27 | 28 => self.limited(levels),
            29..=34 if !self.may_fail => self.one_side(levels),
            35 | 36 => self.unnest_of_groups(levels),
            _ => self.set(levels),
        }
    }

    fn reached(&mut self, feature: impl Into<String>) {
        self.features.insert(feature.into());
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("q{}", self.names)
    }
}
