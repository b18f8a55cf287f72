//! `array_agg(DISTINCT x)` as DataFusion has it, but for one thing: where another list beside it is in reverse order,
//! DataFusion reverses this one as well and leaves it so. It needs its rows in no order, and says so here.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature};

/// The function, for lists of distinct values only.
pub(in crate::plan) fn distinct_list() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(DistinctList { list: array_agg_udaf() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DistinctList {
    list: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for DistinctList {
    fn name(&self) -> &str {
        self.list.name()
    }

    fn signature(&self) -> &Signature {
        self.list.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.list.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.list.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.list.accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.list.inner().supports_null_handling_clause()
    }
}
