//! `list_ordinals(list, …)`: 1, 2, 3 … as many as the longest of the lists has elements. `WITH ORDINALITY` is made of it: no result is
//! longer than what it is given.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder, ListBuilder};
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;

use super::own::{self, Call, Function, of_type};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, [&LIST_ORDINALS])
}

static LIST_ORDINALS: Function = Function {
    name: "list_ordinals",
    usage: "`list_ordinals(list)`",
    takes: |types| (!types.is_empty() && types.iter().all(is_list)).then(|| types.to_vec()),
    gives: |_| of_type(DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))),
    compute: ordinals,
};

fn is_list(of: &DataType) -> bool {
    matches!(of, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) | DataType::Null)
}

fn ordinals(call: &Call<'_>) -> Result<ArrayRef> {
    let mut longest: Vec<Option<i64>> = vec![None; call.rows];
    for list in &call.arguments {
        for (row, longest) in longest.iter_mut().enumerate().filter(|(row, _)| list.is_valid(*row)) {
            *longest = (*longest).max(Some(elements(&list.slice(row, 1))?));
        }
    }
    let mut ordinals = ListBuilder::new(Int64Builder::new());
    for longest in longest {
        match longest {
            Some(longest) => ordinals.append_value((1..=longest).map(Some)),
            None => ordinals.append_null(),
        }
    }
    Ok(Arc::new(ordinals.finish()))
}

/// The length of the list in an array of one.
fn elements(list: &ArrayRef) -> Result<i64> {
    if list.data_type().is_null() {
        return Ok(0);
    }
    let length = length(list)?;
    Ok(match length.data_type() {
        DataType::Int64 => length.as_primitive::<Int64Type>().value(0),
        _ => i64::from(length.as_primitive::<Int32Type>().value(0)),
    })
}
