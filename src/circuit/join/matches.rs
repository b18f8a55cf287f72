//! How many matches each row has, before and after a step, for the rows that come out by having one or lacking one.
//!
//! Without a further condition a key decides for all its rows, so its totals are enough. With one, each row keeps the
//! weight of its matches.

use std::collections::BTreeMap;

use arrow::array::BooleanArray;
use arrow::error::ArrowError;

use super::member::{MatchedRow, Side};
use super::spec::{JoinSpec, Unmatched};
use crate::circuit::ZBatch;
use crate::circuit::keyed_rows::{Change, KeyedRows};

/// What one step does to matches.
pub(super) struct Matches {
    by_row: bool,
    left: Watch,
    right: Watch,
}

/// An encoded row and its weight.
type WeightedRow = (Box<[u8]>, i64);

/// One side's rows that may gain or lose their matches.
struct Watch {
    shown: Unmatched,
    /// By touched key: the other side's weight before the step.
    keys: BTreeMap<u32, i64>,
    /// This side's change by key, where keys decide.
    changes: BTreeMap<u32, Vec<WeightedRow>>,
    /// Touched rows by key and bytes, where rows decide.
    rows: BTreeMap<(u32, Box<[u8]>), TouchedRows>,
}

#[derive(Debug, Default)]
struct TouchedRows {
    /// If this side changed the row: its count and matches before, and the change of its count.
    own: Option<(i64, i64, i64)>,
    /// Weight of matches found between the left change and the old right side.
    first: i64,
    /// Weight of matches found between the new left side and the right change.
    second: i64,
}

/// A row with its count and matches before and after.
struct Course {
    count: (i64, i64),
    matches: (i64, i64),
}

impl Matches {
    /// Looks at both sides before they change.
    pub(super) fn new(
        spec: &JoinSpec,
        left: &Change,
        right: &Change,
        left_side: &KeyedRows,
        right_side: &KeyedRows,
    ) -> Self {
        let by_row = spec.condition.is_some();
        Self {
            by_row,
            left: Watch::new(spec.left_unmatched, by_row, (left, left_side), (right, right_side)),
            right: Watch::new(spec.right_unmatched, by_row, (right, right_side), (left, left_side)),
        }
    }

    /// Counts the pairs that meet the condition as matches of both rows. The caller passes those of the left change first.
    pub(super) fn note(&mut self, passing: &BooleanArray, change: &Change, members: &[MatchedRow<'_>], side: Side) {
        if !self.by_row {
            return;
        }
        let (own, other) = match side {
            Side::Left => (&mut self.left, &mut self.right),
            Side::Right => (&mut self.right, &mut self.left),
        };
        for (_, member) in members.iter().enumerate().filter(|(index, _)| passing.value(*index)) {
            let row = &change.rows[member.number];
            own.note(row.slot, change.bytes(row), member.weight, side);
            other.note(row.slot, member.matching, change.weights[member.number], side);
        }
    }

    /// Rows that come out by having a match (true) or lacking one, with the change of their count. Both sides have
    /// been changed.
    pub(super) fn unmatched(
        &self,
        side: Side,
        own: &mut KeyedRows,
        other: &KeyedRows,
    ) -> Result<Vec<(bool, ZBatch)>, ArrowError> {
        let watch = if side == Side::Left { &self.left } else { &self.right };
        let flags: &[bool] = match watch.shown {
            Unmatched::Dropped => return Ok(Vec::new()),
            Unmatched::Padded | Unmatched::Anti => &[false],
            Unmatched::Semi => &[true],
            Unmatched::Mark => &[false, true],
        };
        let mut shown = Vec::new();
        for &flag in flags {
            let rows = if self.by_row { watch.by_row(side, flag, own) } else { watch.by_key(flag, own, other) };
            shown.push((flag, own.batch(&rows)?));
        }
        if self.by_row {
            watch.keep(side, own);
        }
        Ok(shown)
    }
}

impl Watch {
    fn new(shown: Unmatched, by_row: bool, own: (&Change, &KeyedRows), other: (&Change, &KeyedRows)) -> Self {
        let mut watch = Self { shown, keys: BTreeMap::new(), changes: BTreeMap::new(), rows: BTreeMap::new() };
        if shown == Unmatched::Dropped {
            return watch;
        }
        let (change, side) = own;
        for (row, weight) in change.rows.iter().zip(&change.weights) {
            let bytes = change.bytes(row);
            if by_row {
                let (count, matches) = side.row(row.slot, bytes).unwrap_or((0, 0));
                let touched = TouchedRows { own: Some((count, matches, *weight)), ..TouchedRows::default() };
                watch.rows.insert((row.slot, bytes.into()), touched);
            } else {
                watch.changes.entry(row.slot).or_default().push((bytes.into(), *weight));
            }
        }
        if !by_row {
            let slots = change.slots().chain(other.0.slots());
            watch.keys = slots.map(|slot| (slot, other.1.total(slot))).collect();
        }
        watch
    }

    fn note(&mut self, slot: u32, bytes: &[u8], weight: i64, changed: Side) {
        if self.shown == Unmatched::Dropped {
            return;
        }
        let touched = self.rows.entry((slot, bytes.into())).or_default();
        match changed {
            Side::Left => touched.first += weight,
            Side::Right => touched.second += weight,
        }
    }

    /// The change of the rows whose key has (or lacks) a match.
    fn by_key(&self, flag: bool, own: &KeyedRows, other: &KeyedRows) -> Vec<WeightedRow> {
        let mut rows = Vec::new();
        for (slot, before) in &self.keys {
            let (was, is) = (*before > 0, other.total(*slot) > 0);
            let changes = self.changes.get(slot).into_iter().flatten();
            if was == is {
                if is == flag {
                    rows.extend(changes.cloned());
                }
            } else if is == flag {
                rows.extend(own.rows(*slot).map(|(bytes, count)| (bytes.into(), count)));
            } else {
                // The old rows are the new ones without the change. What came just now was never there, not even to be
                // taken back: padded, it may have a NULL where no row ever has one.
                let gone = own.rows(*slot).map(|(bytes, count)| (bytes.into(), -count));
                let mut gone: BTreeMap<Box<[u8]>, i64> = gone.collect();
                for (bytes, weight) in changes {
                    *gone.entry(bytes.clone()).or_default() += weight;
                }
                rows.extend(gone.into_iter().filter(|(_, weight)| *weight != 0));
            }
        }
        rows
    }

    /// The change of the rows that have (or lack) a match.
    fn by_row(&self, side: Side, flag: bool, own: &KeyedRows) -> Vec<WeightedRow> {
        let mut rows = Vec::new();
        for ((slot, bytes), touched) in &self.rows {
            let course = touched.course(side, own.row(*slot, bytes));
            let before = if (course.matches.0 > 0) == flag { course.count.0 } else { 0 };
            let after = if (course.matches.1 > 0) == flag { course.count.1 } else { 0 };
            if after != before {
                rows.push((bytes.clone(), after - before));
            }
        }
        rows
    }

    /// Keeps the new number of matches with each row.
    fn keep(&self, side: Side, own: &mut KeyedRows) {
        for ((slot, bytes), touched) in &self.rows {
            let course = touched.course(side, own.row(*slot, bytes));
            if course.count.1 != 0 {
                own.set_matches(*slot, bytes, course.matches.1);
            }
        }
    }
}

impl TouchedRows {
    /// `now` is the row's count after the step, with the matches it had before.
    fn course(&self, side: Side, now: Option<(i64, i64)>) -> Course {
        let (count, stored) = now.unwrap_or((0, 0));
        match (self.own, side) {
            // The left change met the whole old right side, then the right change.
            (Some((before, _, change)), Side::Left) => {
                Course { count: (before, before + change), matches: (self.first, self.first + self.second) }
            }
            // The right change met the whole new left side.
            (Some((before, matches, change)), Side::Right) => {
                Course { count: (before, before + change), matches: (matches, self.second) }
            }
            (None, _) => Course { count: (count, count), matches: (stored, stored + self.first + self.second) },
        }
    }
}
