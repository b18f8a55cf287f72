//! What the pairs of a join may take, known before they are made: a batch of them may have the longest row of either side in each.

use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::Account;
use super::amounts::array_bytes;

/// Pairs in a batch of a join.
pub(super) const PAIRS: usize = 1024;
/// Batches of pairs that a join may have at once: one in the making, and one handed on.
const BATCHES: usize = 2;
/// Nested values of a batch that are not looked at one by one.
const NESTED_BYTES: usize = 16 << 10;

/// What is known of the rows that a join has been given, and what its pairs may take.
#[derive(Debug)]
pub(super) struct Pairing {
    sides: Mutex<[Side; 2]>,
    held: Mutex<MemoryReservation>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Side {
    rows: usize,
    /// Bytes of the longest row, at most.
    longest: usize,
}

impl Pairing {
    pub(super) fn new(account: &Account) -> Self {
        Pairing { sides: Default::default(), held: Mutex::new(account.reservation("pairs")) }
    }

    /// Reserves for as many pairs as there may be in the batches of a join, of the longest rows.
    pub(super) fn add(&self, side: usize, batch: &RecordBatch) -> Result<()> {
        let [left, right] = {
            let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
            let Side { rows, longest } = sides[side];
            sides[side] = Side { rows: rows + batch.num_rows(), longest: longest.max(longest_row(batch)) };
            *sides
        };
        let pairs = left.rows.saturating_mul(right.rows).min(PAIRS);
        let bytes = (left.longest + right.longest).saturating_mul(pairs).saturating_mul(BATCHES);
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes > held.size() { held.try_resize(bytes) } else { Ok(()) }
    }
}

/// An upper bound of the bytes of the longest row.
fn longest_row(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| longest_value(column)).sum()
}

fn longest_value(column: &dyn Array) -> usize {
    fn longest<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> usize {
        offsets.lengths().max().unwrap_or(0)
    }
    match column.data_type() {
        DataType::Utf8 => longest(column.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => longest(column.as_string::<i64>().offsets()),
        DataType::Binary => longest(column.as_binary::<i32>().offsets()),
        DataType::LargeBinary => longest(column.as_binary::<i64>().offsets()),
        DataType::Utf8View => column.as_string_view().lengths().max().unwrap_or(0) as usize,
        of if of.is_nested() && array_bytes(column) > NESTED_BYTES => {
            (0..column.len()).map(|row| array_bytes(&column.slice(row, 1))).max().unwrap_or(0)
        }
        of => of.primitive_width().unwrap_or_else(|| array_bytes(column)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Duration;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows(length: usize, rows: usize) -> RecordBatch {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(length); rows]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![0; rows]));
        RecordBatch::try_from_iter([("t", texts), ("n", numbers)]).unwrap()
    }

    #[test]
    fn pairs_are_reserved_for_as_far_as_there_may_be_any() {
        let account = Account::new(1 << 20, Duration::from_secs(1));
        let pairing = Pairing::new(&account);
        pairing.add(0, &rows(100_000, 1)).unwrap();
        assert_eq!(account.memory().reserved(), 0);
        pairing.add(1, &rows(92, 3)).unwrap();
        assert_eq!(account.memory().reserved(), 2 * 3 * (100_008 + 100));
        pairing.add(1, &rows(92, 1000)).unwrap_err();
    }

    #[test]
    fn the_longest_row_is_found_in_a_slice() {
        let batch = rows(10, 3);
        assert_eq!(longest_row(&batch.slice(1, 1)), 18);
        assert_eq!(longest_row(&batch.slice(1, 0)), 8);
    }
}
