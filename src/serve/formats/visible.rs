//! Columns of an answer as Arrow writes them: in few types, and with nothing in their buffers but the values that are there.
//!
//! Arrow's format writes buffers, and not values. A row that a policy has filtered out, or a value that is NULL to this reader, may still
//! lie in one: behind a view of a string, in a dictionary, under a bit that says NULL. So each array is made anew of what is there. The
//! bytes are then also the same whenever the values are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MutableArrayData, StringBuilder, make_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;

use crate::serve::json::JsonValues;

/// The field that a column has in an answer. Every column may be NULL: a mask makes NULL what never is.
pub(super) fn visible_field(field: &Field) -> Field {
    let data_type = if has_union(field.data_type()) { DataType::Utf8 } else { visible_type(field.data_type()) };
    Field::new(field.name(), data_type, true)
}

/// A column as this field.
pub(super) fn visible_column(field: &Field, array: &ArrayRef, visible: &Field) -> Result<ArrayRef, ArrowError> {
    let array = if has_union(field.data_type()) {
        json_texts(field, array)?
    } else if array.data_type() == visible.data_type() {
        array.clone()
    } else {
        cast(array, visible.data_type())?
    };
    values_alone(&array)
}

/// The type without views, dictionaries and runs, which point to values elsewhere, and without what fields say beside their types.
fn visible_type(data_type: &DataType) -> DataType {
    let item = |field: &FieldRef| -> FieldRef {
        Arc::new(Field::new(field.name(), visible_type(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => visible_type(values),
        DataType::RunEndEncoded(_, values) => visible_type(values.data_type()),
        DataType::List(field) | DataType::ListView(field) => DataType::List(item(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        DataType::Map(entries, is_sorted) => DataType::Map(item(entries), *is_sorted),
        other => other.clone(),
    }
}

/// Whether a value may be of several types, as what `json_get` returns.
fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Dictionary(_, values) => has_union(values),
        DataType::RunEndEncoded(_, field)
        | DataType::List(field)
        | DataType::ListView(field)
        | DataType::LargeList(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_union(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
        _ => false,
    }
}

fn json_texts(field: &Field, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let values = JsonValues::new(field, array)?;
    let (mut texts, mut json) = (StringBuilder::new(), Vec::new());
    for row in 0..array.len() {
        json.clear();
        values.write(&mut json, row)?;
        match std::str::from_utf8(&json).map_err(|error| ArrowError::JsonError(error.to_string()))? {
            "null" => texts.append_null(),
            text => texts.append_value(text),
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// The same values in buffers that hold nothing else.
fn values_alone(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], true, data.len());
    let mut row = 0;
    while row < data.len() {
        let is_null = data.is_null(row);
        let end = (row..data.len()).find(|row| data.is_null(*row) != is_null).unwrap_or(data.len());
        match is_null {
            true => copy.try_extend_nulls(end - row)?,
            false => copy.try_extend(0, row, end)?,
        }
        row = end;
    }
    let copied = copy.freeze();
    if copied.child_data().is_empty() {
        return Ok(make_array(copied));
    }
    let children = copied.child_data().iter().map(|child| Ok(values_alone(&make_array(child.clone()))?.to_data()));
    let children = children.collect::<Result<_, ArrowError>>()?;
    Ok(make_array(copied.into_builder().child_data(children).build()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::*;
    use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
    use arrow::datatypes::{Fields, Int32Type, Int64Type};

    use super::*;

    const SECRET: i64 = 0x5EC2_E7C0_FFEE_5EC2;
    const WORD: &str = "a secret word that is longer than a view";

    fn visible(array: ArrayRef) -> ArrayRef {
        let field = Field::new("x", array.data_type().clone(), true);
        visible_column(&field, &array, &visible_field(&field)).unwrap()
    }

    /// Every buffer of an array, its children's included.
    fn buffers(data: &ArrayData) -> Vec<Buffer> {
        let own = data.buffers().iter().cloned().chain(data.nulls().map(|nulls| nulls.buffer().clone()));
        own.chain(data.child_data().iter().flat_map(buffers)).collect()
    }

    #[track_caller]
    fn check(array: ArrayRef) {
        let seen = visible(array.clone());
        assert_eq!(seen.len(), array.len());
        for buffer in buffers(&seen.to_data()) {
            let holds = |needle: &[u8]| buffer.as_slice().windows(needle.len()).any(|window| window == needle);
            assert!(!holds(&SECRET.to_le_bytes()), "{}", array.data_type());
            assert!(!holds(WORD.as_bytes()), "{}", array.data_type());
        }
    }

    #[test]
    fn what_is_null_or_was_left_out_is_in_no_buffer() {
        let nulls = || Some(NullBuffer::from(vec![true, false]));
        let numbers: ArrayRef = Arc::new(Int64Array::new(ScalarBuffer::from(vec![1, SECRET]), nulls()));
        check(numbers.clone());
        check(Arc::new(Int64Array::from(vec![SECRET, 1, SECRET]).slice(1, 1)));
        let words = || StringArray::from(vec!["a", WORD]);
        let (offsets, values, _) = words().into_parts();
        let hidden: ArrayRef = Arc::new(StringArray::new(offsets, values, nulls()));
        check(hidden.clone());
        check(Arc::new(words().slice(0, 1)));
        check(Arc::new(StringViewArray::from(vec!["a", WORD]).slice(0, 1)));
        check(Arc::new(BinaryViewArray::from(vec![b"a".as_slice(), WORD.as_bytes()]).slice(0, 1)));
        check(Arc::new(vec![Some("a"), Some(WORD)].into_iter().collect::<DictionaryArray<Int32Type>>().slice(0, 1)));

        let item: FieldRef = Arc::new(Field::new("item", DataType::Utf8, true));
        let lists = |values: ArrayRef, nulls| {
            ListArray::new(item.clone(), OffsetBuffer::new(ScalarBuffer::from(vec![0, 1, 2])), values, nulls)
        };
        check(Arc::new(lists(Arc::new(words()), nulls())));
        check(Arc::new(lists(hidden.clone(), None)));
        let fields = Fields::from(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]);
        let of = |n: ArrayRef, s: ArrayRef, nulls| StructArray::new(fields.clone(), vec![n, s], nulls);
        check(Arc::new(of(numbers, hidden, None)));
        check(Arc::new(of(Arc::new(Int64Array::from(vec![1, SECRET])), Arc::new(words()), nulls())));
        let fixed = FixedSizeListArray::new(
            Arc::new(Field::new("item", DataType::Int64, true)),
            1,
            Arc::new(Int64Array::from(vec![1, SECRET])),
            nulls(),
        );
        check(Arc::new(fixed));
    }

    #[test]
    fn values_stay_what_they_are() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
        let arrays: [ArrayRef; 4] = [
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::INFINITY)])),
            Arc::new(lists),
            Arc::new(NullArray::new(3)),
        ];
        for array in arrays {
            assert_eq!(&visible(array.clone()), &array);
            assert_eq!(&visible(array.slice(1, 2)), &array.slice(1, 2));
        }
        let views: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some(WORD)]));
        assert_eq!(visible(views).as_string::<i32>(), &StringArray::from(vec![Some("a"), None, Some(WORD)]));
    }
}
