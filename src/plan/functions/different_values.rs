//! What is computed of the different values of a group or a frame.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

/// Gives each value to an accumulator once, and takes it back with its last copy.
#[derive(Debug)]
pub(super) struct DifferentValues {
    copies: HashMap<ScalarValue, usize>,
    inner: Box<dyn Accumulator>,
    /// Of the values.
    data_type: DataType,
}

impl DifferentValues {
    pub(super) fn new(inner: Box<dyn Accumulator>, data_type: DataType) -> Self {
        Self { copies: HashMap::new(), inner, data_type }
    }
}

/// The rows whose values `changes`, none of them NULL.
fn rows_that(values: &ArrayRef, mut changes: impl FnMut(ScalarValue) -> bool) -> Result<ArrayRef> {
    let mut rows: Vec<u32> = Vec::new();
    for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
        if changes(ScalarValue::try_from_array(values, row)?) {
            rows.push(row as u32);
        }
    }
    Ok(take(values, &UInt32Array::from(rows), None)?)
}

impl Accumulator for DifferentValues {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let new = rows_that(&values[0], |value| {
            let copies = self.copies.entry(value).or_default();
            *copies += 1;
            *copies == 1
        })?;
        self.inner.update_batch(&[new])
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let gone = rows_that(&values[0], |value| match self.copies.entry(value) {
            Entry::Occupied(last) if *last.get() == 1 => last.remove() == 1,
            Entry::Occupied(mut copies) => {
                *copies.get_mut() -= 1;
                false
            }
            Entry::Vacant(_) => false,
        })?;
        self.inner.retract_batch(&[gone])
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.update_batch(&[values]))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.copies.keys().cloned().collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &self.data_type))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        // A table has a control byte an entry.
        size_of_val(self) + self.copies.capacity() * (size_of::<(ScalarValue, usize)>() + 1) + self.inner.size()
    }
}
