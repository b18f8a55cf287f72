//! A column of vectors, row by row: lists of 32-bit floats as they lie in memory, and lists of 64-bit floats rounded to those.

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, ListArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

/// Whether a column of this type can hold vectors.
pub(in crate::read_model::search) fn is_vector_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(item) if matches!(item.data_type(), DataType::Float32 | DataType::Float64))
}

/// The vectors of a batch of rows.
pub(super) struct Vectors<'a> {
    lists: &'a ListArray,
    items: Items<'a>,
    dimensions: usize,
    /// Holds the vector that was read last, where it is not in memory as it is compared.
    narrow: Vec<f32>,
}

enum Items<'a> {
    Narrow(&'a Float32Array),
    Wide(&'a Float64Array),
}

/// What a row has in its column of vectors.
#[derive(Debug, PartialEq)]
pub(super) enum Vector<'a> {
    /// NULL: it has none.
    None,
    /// Another number of dimensions, or a NULL among them.
    Unfit,
    Of(&'a [f32]),
}

impl<'a> Vectors<'a> {
    /// None if the column is no list of floats.
    pub(super) fn new(column: &'a ArrayRef, dimensions: usize) -> Option<Self> {
        let lists = column.as_list_opt::<i32>()?;
        let items = match lists.value_type() {
            DataType::Float32 => Items::Narrow(lists.values().as_primitive::<Float32Type>()),
            DataType::Float64 => Items::Wide(lists.values().as_primitive::<Float64Type>()),
            _ => return None,
        };
        Some(Self { lists, items, dimensions, narrow: Vec::new() })
    }

    pub(super) fn get(&mut self, row: usize) -> Vector<'_> {
        if self.lists.is_null(row) {
            return Vector::None;
        }
        let offsets = self.lists.value_offsets();
        let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
        if end - start != self.dimensions {
            return Vector::Unfit;
        }
        let nulls = match &self.items {
            Items::Narrow(items) => items.nulls(),
            Items::Wide(items) => items.nulls(),
        };
        if nulls.is_some_and(|nulls| (start..end).any(|item| nulls.is_null(item))) {
            return Vector::Unfit;
        }
        match &self.items {
            Items::Narrow(items) => Vector::Of(&items.values()[start..end]),
            Items::Wide(items) => {
                self.narrow.clear();
                self.narrow.extend(items.values()[start..end].iter().map(|wide| *wide as f32));
                Vector::Of(&self.narrow)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_a_row_has_is_a_vector_none_or_unfit() {
        let rows =
            [Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![Some(1.0)]), Some(vec![Some(1.0), None]), Some(vec![])];
        let narrow: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(
            rows.iter().map(|row| row.as_ref().map(|row| row.iter().map(|item| item.map(|item| item as f32)))),
        ));
        let wide: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
        for column in [narrow, wide] {
            let mut vectors = Vectors::new(&column, 2).unwrap();
            assert_eq!(vectors.get(0), Vector::Of(&[1.0, 2.0]));
            assert_eq!(vectors.get(1), Vector::None);
            assert!((2..5).all(|row| vectors.get(row) == Vector::Unfit));
        }
    }
}
