//! Rows that are kept, and what they hold of memory.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use super::super::account::batch_bytes;

/// What an array takes beside its buffers, about.
const ARRAY_BYTES: usize = 256;

/// The rows of an answer, in the order and the batches of the answer.
#[derive(Debug)]
pub(in crate::query) struct KeptRows {
    pub(in crate::query) schema: SchemaRef,
    pub(in crate::query) batches: Vec<RecordBatch>,
    bytes: usize,
}

/// Copies of rows that may come to be kept. The rows themselves may be windows on segments of a table, or on what a sort made, and are in the
/// account of their query for as long as anybody holds them.
#[derive(Debug)]
pub(super) struct Collected {
    batches: Vec<RecordBatch>,
    bytes: usize,
    bytes_max: usize,
}

impl KeptRows {
    /// All rows as one batch, as those of a page are.
    pub(in crate::query) fn one(&self) -> RecordBatch {
        self.batches.first().cloned().unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone()))
    }

    /// Bytes that are held alive: whole buffers, however little of them the rows are, each once.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Collected {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { batches: Vec::new(), bytes: 0, bytes_max }
    }

    /// Takes a batch along; false if that makes too many bytes, or it cannot be copied.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> bool {
        self.bytes += batch_bytes(batch) + batch.num_columns() * ARRAY_BYTES;
        if self.bytes > self.bytes_max {
            return false;
        }
        match copied(batch) {
            Ok(copy) => self.batches.push(copy),
            Err(_) => return false,
        }
        true
    }

    /// The rows; none if what they hold is more than it seemed.
    pub(super) fn kept(self, schema: &SchemaRef) -> Option<KeptRows> {
        let arrays: usize = self.batches.iter().map(|batch| batch.num_columns() * ARRAY_BYTES).sum();
        let bytes = held(&self.batches) + arrays;
        let kept = KeptRows { schema: schema.clone(), batches: self.batches, bytes };
        (bytes <= self.bytes_max).then_some(kept)
    }
}

/// Bytes of all buffers below these batches, each counted once.
fn held(batches: &[RecordBatch]) -> usize {
    let mut buffers = HashMap::new();
    for column in batches.iter().flat_map(RecordBatch::columns) {
        find_buffers(&column.to_data(), &mut buffers);
    }
    buffers.values().sum()
}

fn find_buffers(data: &ArrayData, found: &mut HashMap<usize, usize>) {
    let nulls = data.nulls().map(|nulls| nulls.buffer());
    for buffer in data.buffers().iter().chain(nulls) {
        found.insert(buffer.data_ptr().as_ptr() as usize, buffer.capacity().max(buffer.len()));
    }
    data.child_data().iter().for_each(|child| find_buffers(child, found));
}

fn copied(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
    let column = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        let copy = take(column, &rows, None)?;
        Ok(match copy.data_type() {
            // A copy of a view holds the texts that it is a view of.
            DataType::Utf8View => Arc::new(copy.as_string_view().gc()),
            DataType::BinaryView => Arc::new(copy.as_binary_view().gc()),
            _ => copy,
        })
    };
    let columns = batch.columns().iter().map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{DictionaryArray, Int32Array, Int64Array, StringArray, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn kept(batches: &[RecordBatch]) -> KeptRows {
        let mut collected = Collected::new(1 << 20);
        assert!(batches.iter().all(|batch| collected.push(batch)));
        collected.kept(&batches[0].schema()).unwrap()
    }

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let field =
            |(number, column): (usize, &ArrayRef)| Field::new(format!("c{number}"), column.data_type().clone(), true);
        let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn a_few_rows_of_many_hold_nothing_of_the_others() {
        let long = "a text that is longer than what lies in a view itself";
        let all = batch(vec![
            Arc::new(Int64Array::from_iter_values(0..100_000)),
            Arc::new(StringArray::from(vec![long; 100_000])),
            Arc::new(StringViewArray::from(vec![long; 100_000])),
        ]);
        let few = all.slice(70_000, 3);
        let kept = kept(std::slice::from_ref(&few));
        assert_eq!(kept.batches, [few]);
        assert!(kept.bytes() < 4_000, "{}", kept.bytes());
    }

    #[test]
    fn what_several_batches_share_counts_once() {
        let values = StringArray::from_iter_values((0..1_000).map(|value| format!("the value {value}")));
        let keys = Int32Array::from_iter_values((0..2_000).map(|row| row % 1_000));
        let all = batch(vec![Arc::new(DictionaryArray::new(keys, Arc::new(values)))]);
        let halves = [all.slice(0, 1_000), all.slice(1_000, 1_000)];
        let (one, both) = (kept(&halves[..1]).bytes(), kept(&halves).bytes());
        assert!(one > 16_000 && both < one + 8_000, "{one} and {both}");
    }

    #[test]
    fn too_many_rows_are_not_taken() {
        let rows = batch(vec![Arc::new(Int64Array::from_iter_values(0..1_000))]);
        let mut collected = Collected::new(20_000);
        assert!(collected.push(&rows) && collected.push(&rows) && !collected.push(&rows));
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
        assert_eq!(kept(&[none]).batches[0].num_rows(), 3);
    }
}
