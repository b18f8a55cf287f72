//! The orders that the rows of a segment may be sorted in: that of the key, and two for each index, of which the second one goes
//! down the index's columns.
//!
//! Each ends with what it lacks of the key, so that no two live rows are equal in it.

use super::TableSpec;

/// A column that rows are sorted by. NULL is the greatest value: last when ascending, first when descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortColumn {
    /// The column's index in the schema.
    pub column: usize,
    pub descending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// Among all orders of the table.
    pub(super) number: usize,
    pub(super) columns: Vec<SortColumn>,
}

impl Order {
    /// How many orders a table has.
    pub(super) fn count(spec: &TableSpec) -> usize {
        1 + 2 * spec.indexes.len()
    }

    pub(super) fn all(spec: &TableSpec) -> Vec<Self> {
        let of_indexes = (0..spec.indexes.len()).flat_map(|index| Self::of_index(spec, index));
        std::iter::once(Self::of_key(spec)).chain(of_indexes).collect()
    }

    pub(super) fn of_key(spec: &TableSpec) -> Self {
        let columns = spec.key.iter().map(|&column| SortColumn { column, descending: false });
        Self { number: 0, columns: columns.collect() }
    }

    /// The order up the columns of the index at this number, and the one down.
    pub(super) fn of_index(spec: &TableSpec, index: usize) -> [Self; 2] {
        let own = &spec.indexes[index];
        [false, true].map(|descending| {
            let columns = own.iter().map(|&column| SortColumn { column, descending });
            let rest = spec.key.iter().filter(|column| !own.contains(column));
            let rest = rest.map(|&column| SortColumn { column, descending: false });
            Self { number: 1 + 2 * index + usize::from(descending), columns: columns.chain(rest).collect() }
        })
    }
}
