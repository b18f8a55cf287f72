//! Values that are awkward to compare or to copy: nested ones, decimals, floats, views, and keys without columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
    StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type, Schema};
use datafusion::common::ScalarValue;

use super::super::{Table, TableSpec};
use crate::circuit::ZBatch;
use crate::state::StoredSegment;

fn spec_of(columns: &[(&str, &ArrayRef)], key: Vec<usize>) -> Arc<TableSpec> {
    let fields: Vec<Field> = columns.iter().map(|(n, array)| Field::new(*n, array.data_type().clone(), true)).collect();
    let (name, schema) = ("things".to_owned(), Arc::new(Schema::new(fields)));
    Arc::new(TableSpec { name, schema, key, key_proven: false, indexes: vec![] })
}

fn weighted(rows: &RecordBatch, weight: i64) -> ZBatch {
    ZBatch::new(rows.clone(), Int64Array::from_value(weight, rows.num_rows()))
}

#[test]
fn structs_lists_and_decimals_are_keys_and_values() {
    let decimal = Decimal128Array::from(vec![Some(100), Some(1000), None]).with_precision_and_scale(18, 2).unwrap();
    let city: ArrayRef = Arc::new(StringArray::from(vec![Some("Bern"), None, Some("hidden")]));
    let fields = Fields::from(vec![Field::new("city", DataType::Utf8, true)]);
    let address = StructArray::new(fields, vec![city], Some(NullBuffer::from(vec![true, true, false])));
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let offsets = OffsetBuffer::<i32>::from_lengths([2, 0, 1]);
    let list = ListArray::new(item, offsets, Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])), None);
    let columns: [(&str, ArrayRef); 3] =
        [("price", Arc::new(decimal)), ("address", Arc::new(address)), ("lines", Arc::new(list))];
    let columns: Vec<(&str, &ArrayRef)> = columns.iter().map(|(name, array)| (*name, array)).collect();
    let spec = spec_of(&columns, vec![1, 0]);
    let arrays = columns.iter().map(|(_, array)| (*array).clone()).collect();
    let rows = RecordBatch::try_new(spec.schema.clone(), arrays).unwrap();

    let mut table = Table::new(spec.clone()).unwrap();
    table.apply(&weighted(&rows, 1)).unwrap();
    let delta = table.capture().unwrap().unwrap().segment.unwrap();
    let stored = StoredSegment { id: delta.id, rows: delta.rows, live: vec![true; 3], dead: vec![] };
    let mut table = Table::restore(spec, vec![stored]).unwrap();
    for row in 0..3 {
        let key = [1, 0].map(|column| ScalarValue::try_from_array(rows.column(column), row).unwrap());
        assert_eq!(table.snapshot().get(&key).unwrap().unwrap(), rows.slice(row, 1));
    }
    table.apply(&weighted(&rows.slice(0, 2), -1)).unwrap();
    assert_eq!(table.snapshot().scan().map(Result::unwrap).collect::<Vec<_>>(), [rows.slice(2, 1)]);
}

#[test]
fn floats_have_one_form() {
    let keys: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, f64::NAN]));
    let spec = spec_of(&[("key", &keys)], vec![0]);
    let mut table = Table::new(spec.clone()).unwrap();
    table.apply(&ZBatch::inserts(RecordBatch::try_new(spec.schema.clone(), vec![keys]).unwrap())).unwrap();
    let found = |key: f64| table.snapshot().get(&[ScalarValue::from(key)]).unwrap();
    let zero = found(0.0).unwrap();
    assert!(zero.column(0).as_primitive::<Float64Type>().value(0).is_sign_positive());
    assert!(found(-0.0).is_some() && found(-f64::NAN).is_some() && found(1.0).is_none());
    let other: ArrayRef = Arc::new(Float64Array::from(vec![0.0]));
    let other = RecordBatch::try_new(spec.schema.clone(), vec![other]).unwrap();
    assert!(table.apply(&weighted(&other, 1)).unwrap_err().to_string().contains("two rows"));
    assert_eq!(table.apply(&weighted(&other, -1)).unwrap().deleted_keys.num_rows(), 1);
}

#[test]
fn a_table_without_key_columns_holds_one_row() {
    let count = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let spec = spec_of(&[("count", &count(0))], vec![]);
    let batch = |value| RecordBatch::try_new(spec.schema.clone(), vec![count(value)]).unwrap();
    let mut table = Table::new(spec.clone()).unwrap();
    table.apply(&weighted(&batch(1), 1)).unwrap();
    let error = table.apply(&weighted(&batch(2), 1)).unwrap_err();
    assert!(error.to_string().contains("the key () (the table holds one row)"), "{error}");
    let both = arrow::compute::concat_batches(&spec.schema, [&batch(2), &batch(1)]).unwrap();
    let changes = table.apply(&ZBatch::new(both, Int64Array::from(vec![1, -1]))).unwrap();
    assert_eq!((changes.updated.num_rows(), changes.len()), (1, 1));
    let row = table.snapshot().get(&[]).unwrap().unwrap();
    assert_eq!(row.column(0).as_primitive::<Int64Type>().value(0), 2);
    let changes = table.apply(&weighted(&batch(2), -1)).unwrap();
    assert_eq!((changes.deleted_keys.num_rows(), table.num_rows()), (1, 0));
    assert!(table.snapshot().get(&[]).unwrap().is_none());
}

#[test]
fn views_do_not_hold_on_to_large_batches() {
    let text = |id: usize| format!("a text that is too long to be kept inline, number {id:06}");
    let many: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..10_000).map(text)));
    let spec = spec_of(&[("text", &many)], vec![0]);
    let few = RecordBatch::try_new(spec.schema.clone(), vec![many]).unwrap().slice(500, 3);
    let mut table = Table::new(spec).unwrap();
    table.apply(&weighted(&few, 1)).unwrap();
    assert!(table.size() < 20_000, "{} bytes", table.size());
    assert!(table.snapshot().get(&[ScalarValue::from(text(501).as_str())]).unwrap().is_some());
}
