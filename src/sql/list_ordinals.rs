//! `list_ordinals(list, …)`: 1, 2, 3 … as many as the longest of the lists has elements. `WITH ORDINALITY` is made of it: no result is
//! longer than what it is given.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder, ListBuilder};
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let function = ListOrdinals { signature: Signature::user_defined(Volatility::Immutable) };
    registry.register_udf(Arc::new(ScalarUDF::from(function)))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListOrdinals {
    signature: Signature,
}

impl ScalarUDFImpl for ListOrdinals {
    fn name(&self) -> &str {
        "list_ordinals"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_list = |of: &DataType| {
            matches!(of, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) | DataType::Null)
        };
        match types.iter().find(|of| !is_list(of)) {
            _ if types.is_empty() => plan_err!("`list_ordinals` takes a list"),
            Some(other) => plan_err!("`list_ordinals` takes lists, and {other} is none"),
            None => Ok(types.to_vec()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let mut longest: Vec<Option<i64>> = vec![None; rows];
        for arg in &args.args {
            let list = arg.to_array(rows)?;
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
        let ordinals: ArrayRef = Arc::new(ordinals.finish());
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&ordinals, 0)?)),
            false => Ok(ColumnarValue::Array(ordinals)),
        }
    }
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
