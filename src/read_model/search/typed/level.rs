//! Where a word is looked for, and how much it counts to find it there.

use tantivy::schema::Field;

use super::super::beginnings::Beginnings;
use super::super::layout::IndexedColumn;
use super::word::Closeness;

/// How close a document comes to a word, and below that how much the column weighs: 0 if it does not have the word. The levels
/// of all words of a text can be added up without one part reaching into the other.
pub(in super::super) type Level = u16;

/// Bits of the column's part.
const BITS: u32 = 8;
/// The column's part of the one that weighs most. A text has at most 32 words, and 32 times this fits the bits.
const SHARE_MAX: u16 = 7;

/// A field, and its part of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) field: Field,
    /// Where the words' beginnings are.
    pub(in super::super) beginnings: Option<Beginnings>,
    share: u16,
}

impl Place {
    /// A field like all others.
    pub(in super::super) fn of(field: Field) -> Self {
        Self { field, beginnings: None, share: SHARE_MAX }
    }

    /// A column's field, as heavy as the column is beside the heaviest one.
    pub(super) fn in_column(column: &IndexedColumn, field: Field, heaviest: u8) -> Self {
        Self { beginnings: column.beginnings, ..Self::weighing(field, column.weight, heaviest) }
    }

    pub(super) fn weighing(field: Field, weight: u8, heaviest: u8) -> Self {
        let (weight, heaviest) = (u16::from(weight), u16::from(heaviest.max(1)));
        Self { share: (weight * SHARE_MAX).div_ceil(heaviest).min(SHARE_MAX), ..Self::of(field) }
    }

    pub(super) fn level(self, closeness: Closeness) -> Level {
        (closeness as u16) << BITS | self.share
    }
}

/// A level that is at most so close.
pub(super) fn at_most(level: Level, closeness: Closeness) -> Level {
    let share = level & ((1 << BITS) - 1);
    if level >> BITS > closeness as u16 { (closeness as u16) << BITS | share } else { level }
}

/// The sum of how close the words are, and from 0 to 1 how much the columns weigh where they are.
pub(super) fn parts(sum: Level, words: usize) -> (f32, f32) {
    let share = f32::from(sum & ((1 << BITS) - 1)) / (f32::from(SHARE_MAX) * words.max(1) as f32);
    (f32::from(sum >> BITS), share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_add_up_by_parts() {
        let field = Field::from_field_id(1);
        let (light, heavy) = (Place::weighing(field, 1, 10), Place::weighing(field, 10, 10));
        assert_eq!(heavy, Place::of(field));
        assert!(light.level(Closeness::Exact) > heavy.level(Closeness::Form));
        assert!(heavy.level(Closeness::Exact) > light.level(Closeness::Exact));
        let sum = heavy.level(Closeness::Exact) * 32;
        assert_eq!(parts(sum, 32), (160.0, 1.0));
        assert_eq!(parts(at_most(heavy.level(Closeness::Exact), Closeness::Form), 1), (4.0, 1.0));
        assert_eq!(at_most(0, Closeness::Form), 0);
    }
}
