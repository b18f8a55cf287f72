//! What a call of a function may cost: an upper bound of the bytes of its result, and the steps it takes. Known before the call,
//! so that it can be refused, or made in parts.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

/// Upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Amounts {
    pub(super) bytes: usize,
    /// About one a byte that is looked at.
    pub(super) steps: usize,
}

/// Characters of a pattern that may each become this many bytes of a formatted time.
const FORMATTED_BYTES: usize = 12;

/// The amounts of a call.
pub(super) fn amounts(name: &str, args: &[ColumnarValue], rows: usize) -> Amounts {
    let bytes_of = |index: usize| args.get(index).map_or(0, |arg| bytes(arg, rows));
    let all: usize = args.iter().map(|arg| bytes(arg, rows)).fold(0, usize::saturating_add);
    let longest = |index: usize| args.get(index).map_or(0, longest);
    let result = match name {
        "lpad" | "rpad" => all.saturating_add(padding(args, rows)),
        // As often as what is replaced may stand in the text.
        "replace" => {
            let places = bytes_of(0) / shortest(args.get(1)).max(1) + rows;
            all.saturating_add(places.saturating_mul(longest(2)))
        }
        "regexp_replace" => {
            let references = args.get(2).map_or(0, references);
            let places = bytes_of(0).saturating_add(rows);
            all.saturating_add(places.saturating_mul(longest(2))).saturating_add(bytes_of(0).saturating_mul(references))
        }
        "array_replace" | "array_replace_n" | "array_replace_all" | "list_replace" | "list_replace_n"
        | "list_replace_all" => all.saturating_add(elements(args, rows).saturating_mul(longest(2))),
        "array_to_string" | "list_to_string" | "array_join" | "list_join" => {
            let separators = elements(args, rows).saturating_mul(longest(1) + longest(2));
            all.saturating_mul(4).saturating_add(separators)
        }
        "string_to_array" | "string_to_list" | "regexp_match" => all.saturating_mul(8),
        "translate" | "upper" | "lower" | "initcap" | "encode" | "to_hex" => all.saturating_mul(4),
        "to_char" | "date_format" => all.saturating_mul(FORMATTED_BYTES),
        _ => all,
    };
    let steps = match name {
        "levenshtein" | "array_has_all" | "array_has_any" | "list_has_all" | "list_has_any" | "array_overlap"
        | "arrays_overlap" => products(args, rows),
        _ if name.starts_with("regexp_") => all.saturating_mul(1 + longest(1)),
        _ => all,
    };
    Amounts { bytes: result.saturating_add(rows.saturating_mul(8)), steps: steps.saturating_add(rows) }
}

/// Bytes of an argument in all rows.
fn bytes(arg: &ColumnarValue, rows: usize) -> usize {
    match arg {
        ColumnarValue::Scalar(value) => scalar_bytes(value).saturating_mul(rows),
        ColumnarValue::Array(array) => array_bytes(array),
    }
}

pub(super) fn scalar_bytes(value: &ScalarValue) -> usize {
    value.size().saturating_sub(size_of::<ScalarValue>())
}

/// Bytes of the rows that an array has, not of the buffers that it shares.
pub(super) fn array_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().lengths().map(|length| length as usize + 16).sum(),
        DataType::BinaryView => array.as_binary_view().lengths().map(|length| length as usize + 16).sum(),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
    }
}

/// Bytes of the rows that a batch has.
pub(in crate::query) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| array_bytes(column)).sum()
}

/// Bytes of one row of an argument, as far as its kind has lengths.
fn row_bytes(arg: &ColumnarValue, row: usize) -> usize {
    let array = match arg {
        ColumnarValue::Scalar(value) => return scalar_bytes(value),
        ColumnarValue::Array(array) => array,
    };
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value_length(row) as usize,
        DataType::LargeUtf8 => array.as_string::<i64>().value_length(row) as usize,
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::List(_) => array.as_list::<i32>().value_length(row) as usize * 8,
        DataType::LargeList(_) => array.as_list::<i64>().value_length(row) as usize * 8,
        _ => 8,
    }
}

fn rows_of(arg: &ColumnarValue) -> usize {
    match arg {
        ColumnarValue::Scalar(_) => 1,
        ColumnarValue::Array(array) => array.len(),
    }
}

fn longest(arg: &ColumnarValue) -> usize {
    (0..rows_of(arg)).map(|row| row_bytes(arg, row)).max().unwrap_or(0)
}

/// The shortest text that can stand there; none has no length.
fn shortest(arg: Option<&ColumnarValue>) -> usize {
    match arg {
        Some(scalar @ ColumnarValue::Scalar(_)) => row_bytes(scalar, 0),
        _ => 1,
    }
}

/// The sum over rows of what the first two arguments have, multiplied.
fn products(args: &[ColumnarValue], rows: usize) -> usize {
    let [left, right, ..] = args else { return 0 };
    let product = |row| row_bytes(left, row).saturating_mul(row_bytes(right, row));
    (0..rows).map(product).fold(0, usize::saturating_add)
}

/// Bytes that padding may add.
fn padding(args: &[ColumnarValue], rows: usize) -> usize {
    let length = match args.get(1) {
        Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(length)))) => usize::try_from(*length).unwrap_or(0),
        Some(ColumnarValue::Array(lengths)) => {
            let lengths = lengths.as_primitive_opt::<arrow::datatypes::Int64Type>();
            lengths.and_then(arrow::compute::max).map_or(0, |length| usize::try_from(length).unwrap_or(0))
        }
        _ => 0,
    };
    let is_ascii = match args.get(2) {
        None => true,
        Some(ColumnarValue::Scalar(fill)) => fill.try_as_str().flatten().is_none_or(str::is_ascii),
        Some(ColumnarValue::Array(_)) => false,
    };
    rows.saturating_mul(length).saturating_mul(if is_ascii { 1 } else { 4 })
}

/// Elements of lists in the first argument, in all rows.
fn elements(args: &[ColumnarValue], rows: usize) -> usize {
    match args.first() {
        Some(ColumnarValue::Array(array)) => leaves(&array.to_data()),
        Some(ColumnarValue::Scalar(value)) => value.to_array().map_or(0, |one| leaves(&one.to_data())) * rows,
        None => 0,
    }
}

/// An upper bound of the elements: those of the innermost lists.
fn leaves(data: &arrow::array::ArrayData) -> usize {
    match data.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            let inner = data.child_data().first().map_or(0, leaves);
            match data.data_type() {
                // The child of a slice has the elements of all rows.
                DataType::List(_) => {
                    let offsets = data.buffer::<i32>(0);
                    let own = offsets.get(data.len()).zip(offsets.first()).map_or(0, |(end, start)| end - start);
                    if inner == data.child_data()[0].len() { own as usize } else { inner }
                }
                _ => inner,
            }
        }
        _ => data.len(),
    }
}

/// References to groups in a replacement.
fn references(arg: &ColumnarValue) -> usize {
    match arg {
        ColumnarValue::Scalar(value) => {
            value.try_as_str().flatten().map_or(0, |text| text.bytes().filter(|byte| b"\\$".contains(byte)).count())
        }
        array => longest(array),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ListArray, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn text(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(text))
    }

    fn texts(texts: &[&str]) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(StringArray::from(texts.to_vec())))
    }

    #[test]
    fn what_makes_much_of_little_is_known_before() {
        let thousand = "a".repeat(1000);
        let bytes = |name, args: &[ColumnarValue]| amounts(name, args, 1).bytes;
        assert!(bytes("replace", &[text(&thousand), text("a"), text(&thousand)]) >= 1_000_000);
        assert!(bytes("replace", &[texts(&[&thousand]), texts(&[""]), texts(&[&thousand])]) >= 1_001_000);
        assert!(bytes("rpad", &[text("x"), ColumnarValue::Scalar(ScalarValue::Int64(Some(9000)))]) >= 9000);
        assert!(bytes("regexp_replace", &[text(&thousand), text(".*"), text(r"\0\0\0")]) >= 3000);
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1); 1000])]);
        let list = ColumnarValue::Array(Arc::new(list));
        assert!(bytes("array_to_string", &[list, text(&thousand)]) >= 999_000);
        assert!(bytes("concat", &vec![text(&thousand); 500]) >= 500_000);
    }

    #[test]
    fn steps_are_those_of_the_rows_and_not_of_all_with_all() {
        let many = vec!["0123456789"; 1000];
        let steps = amounts("levenshtein", &[texts(&many), texts(&many)], 1000).steps;
        assert!((100_000..200_000).contains(&steps), "{steps}");
    }

    #[test]
    fn a_slice_has_the_bytes_of_its_rows() {
        let array = StringArray::from(vec!["x".repeat(100); 1000]);
        let bytes = array_bytes(&array.slice(10, 5));
        assert!((500..600).contains(&bytes), "{bytes}");
    }
}
