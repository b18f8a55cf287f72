//! One form of each value: -0.0 becomes 0.0 and every NaN the same NaN, wherever a float is nested, so that equal
//! values have equal bytes. View arrays let go of the buffers that they no longer use.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch, StructArray,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type, SchemaRef};
use arrow::error::ArrowError;

use super::encoding::batch;

/// The rows under `schema`, in canonical form. Fails where a column does not fit its field.
pub(in crate::read_model) fn canonical_rows(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    batch(schema.clone(), columns, rows.num_rows())
}

pub(super) fn canonical(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !varies(array.data_type()) {
        return Ok(array.clone());
    }
    Ok(match array.data_type() {
        DataType::Float64 => {
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| match value.is_nan() {
                true => f64::NAN,
                false => value + 0.0,
            }))
        }
        DataType::Float32 => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| match value.is_nan() {
                true => f32::NAN,
                false => value + 0.0,
            }))
        }
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        DataType::Struct(_) => Arc::new(canonical_struct(array.as_struct())?),
        DataType::List(_) => canonical_list::<i32>(array.as_list())?,
        DataType::LargeList(_) => canonical_list::<i64>(array.as_list())?,
        DataType::FixedSizeList(field, size) => {
            let list = array.as_fixed_size_list();
            let values = canonical(list.values())?;
            Arc::new(FixedSizeListArray::try_new(field.clone(), *size, values, list.nulls().cloned())?)
        }
        DataType::Map(field, ordered) => {
            let map = array.as_map();
            let entries = canonical_struct(map.entries())?;
            let nulls = map.nulls().cloned();
            Arc::new(MapArray::try_new(field.clone(), map.offsets().clone(), entries, nulls, *ordered)?)
        }
        _ => array.clone(),
    })
}

fn canonical_struct(array: &StructArray) -> Result<StructArray, ArrowError> {
    let children = array.columns().iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new(array.fields().clone(), children, array.nulls().cloned())
}

fn canonical_list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<ArrayRef, ArrowError> {
    let (DataType::List(field) | DataType::LargeList(field)) = array.data_type() else {
        return Err(ArrowError::InvalidArgumentError(format!("{} is not a list", array.data_type())));
    };
    let values = canonical(array.values())?;
    let list = GenericListArray::try_new(field.clone(), array.offsets().clone(), values, array.nulls().cloned())?;
    Ok(Arc::new(list))
}

/// Whether values of this type may be written in more than one way.
fn varies(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float32 | DataType::Float64 | DataType::Utf8View | DataType::BinaryView => true,
        DataType::Struct(fields) => fields.iter().any(|field| varies(field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => varies(field.data_type()),
        _ => false,
    }
}
