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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::DurationMicrosecondArray;
    use arrow::datatypes::TimeUnit;

    use super::super::lengths::Lengths;
    use super::*;

    fn mean_of(values: Vec<Option<i64>>) -> DifferentValues {
        let of = DataType::Duration(TimeUnit::Microsecond);
        let mut mean = DifferentValues::new(Box::new(Lengths::new(of.clone())), of);
        let values: ArrayRef = Arc::new(DurationMicrosecondArray::from(values));
        mean.update_batch(&[values]).unwrap();
        mean
    }

    #[test]
    fn a_value_of_two_states_counts_once() {
        let mut whole = mean_of(vec![Some(1), None, Some(1)]);
        for part in [vec![Some(1), Some(6)], vec![None], vec![Some(6), Some(2)]] {
            let state = mean_of(part).state().unwrap().iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>();
            whole.merge_batch(&state.unwrap()).unwrap();
        }
        assert_eq!(whole.evaluate().unwrap(), ScalarValue::DurationMicrosecond(Some(3)));
    }

    #[test]
    fn a_value_goes_with_its_last_copy() {
        let mut mean = mean_of(vec![Some(4), Some(4), Some(8)]);
        let four: [ArrayRef; 1] = [Arc::new(DurationMicrosecondArray::from(vec![Some(4), None]))];
        mean.retract_batch(&four).unwrap();
        assert_eq!(mean.evaluate().unwrap(), ScalarValue::DurationMicrosecond(Some(6)));
        mean.retract_batch(&four).unwrap();
        assert_eq!(mean.evaluate().unwrap(), ScalarValue::DurationMicrosecond(Some(8)));
    }
}
