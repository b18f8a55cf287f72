//! Rows as text that is equal exactly when the rows are, and multisets of them.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// How often each row is there.
pub(super) type Bag = BTreeMap<String, i64>;

/// One row, its values separated by commas.
pub(super) fn row_text(batch: &RecordBatch, row: usize) -> String {
    let values: Vec<String> = batch.columns().iter().map(|column| value_text(column, row)).collect();
    values.join(", ")
}

/// Adds the rows of a batch.
pub(super) fn add(bag: &mut Bag, batch: &RecordBatch, weight: impl Fn(usize) -> i64) {
    for row in 0..batch.num_rows() {
        let text = row_text(batch, row);
        let count = bag.entry(text.clone()).or_default();
        *count += weight(row);
        if *count == 0 {
            bag.remove(&text);
        }
    }
}

/// The rows in order, repeated as often as they are there.
pub(super) fn lines(bag: &Bag) -> impl Iterator<Item = &str> {
    bag.iter().flat_map(|(row, count)| std::iter::repeat_n(row.as_str(), usize::try_from(*count).unwrap_or(0)))
}

/// A value as text: -0.0 is 0.0, all NaNs are one, strings are in quotes.
fn value_text(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    let items = |items: &dyn Array| (0..items.len()).map(|item| value_text(items, item)).collect::<Vec<_>>().join(", ");
    match array.data_type() {
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row) + 0.0),
        DataType::Utf8 => format!("{:?}", array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => format!("{:?}", array.as_string::<i64>().value(row)),
        DataType::Utf8View => format!("{:?}", array.as_string_view().value(row)),
        DataType::List(_) => format!("[{}]", items(&array.as_list::<i32>().value(row))),
        DataType::LargeList(_) => format!("[{}]", items(&array.as_list::<i64>().value(row))),
        DataType::Map(_, _) => format!("map[{}]", items(&array.as_map().value(row))),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter().zip(fields);
            let values = columns.map(|(column, field)| format!("{}: {}", field.name(), value_text(column, row)));
            format!("{{{}}}", values.collect::<Vec<_>>().join(", "))
        }
        _ => match ArrayFormatter::try_new(array, &FormatOptions::default()) {
            Ok(formatter) => formatter.value(row).to_string(),
            Err(error) => format!("({error})"),
        },
    }
}
