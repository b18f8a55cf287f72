//! A nested value as bytes that are in its order. DataFusion's accumulators put maps, and what is NULL in a list, elsewhere
//! than its sort does; bytes have one order everywhere.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, SortExpr, Volatility, lit,
};

/// The same order by bytes.
pub(in crate::plan) fn by_sort_key(sort: SortExpr) -> SortExpr {
    let function = ScalarUDF::from(SortKey { signature: Signature::any(3, Volatility::Immutable) });
    function.call(vec![sort.expr, lit(!sort.asc), lit(sort.nulls_first)]).sort(true, false)
}

/// `sort_key(x, descending, nulls_first)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SortKey {
    signature: Signature,
}

impl ScalarUDFImpl for SortKey {
    fn name(&self) -> &str {
        "sort_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            value,
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(descending))),
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(nulls_first))),
        ] = args.args.as_slice()
        else {
            return exec_err!("`sort_key` takes a value and two constants");
        };
        let value = value.to_array(args.number_rows)?;
        let options = SortOptions { descending: *descending, nulls_first: *nulls_first };
        let field = SortField::new_with_options(value.data_type().clone(), options);
        let keys = RowConverter::new(vec![field])?.convert_columns(&[value])?;
        Ok(ColumnarValue::Array(Arc::new(keys.try_into_binary()?)))
    }
}
