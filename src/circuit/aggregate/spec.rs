//! What an aggregate operator computes, decided by the planner.

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use crate::circuit::{BitOperation, ClosingSpec, Spread};

/// Columns are indices in `input`, which holds nothing but group keys, arguments, orders and filters.
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    pub groups: Vec<usize>,
    pub calls: Vec<Call>,
    /// Keys of the groups that are there even over no rows: of all without GROUP BY, and of empty grouping sets.
    pub totals: Vec<Vec<ScalarValue>>,
    pub input: SchemaRef,
    /// Group columns, then one column a call.
    pub schema: SchemaRef,
    /// Whether the input never retracts.
    pub append_only: bool,
    /// If groups are closed by a watermark. The input is append-only then.
    pub closing: Option<ClosingSpec>,
}

/// One aggregate call.
#[derive(Debug, Clone)]
pub struct Call {
    pub function: Function,
    /// A boolean column: the FILTER clause.
    pub filter: Option<usize>,
}

/// Columns to order by, most significant first.
pub(super) type Order = [(usize, SortOptions)];

/// How a call is computed.
#[derive(Debug, Clone)]
pub enum Function {
    /// A total of the values of a column that are not NULL, or of all rows.
    Total { column: Option<usize>, total: TotalFunction },
    /// The column's value in the first row of the order: min, max, first_value, last_value.
    First { order: Vec<(usize, SortOptions)>, column: usize, skip_null: bool },
    /// The column's value in the `n`-th row of the order, counted from 1. `distinct` takes equal rows as one.
    Nth { order: Vec<(usize, SortOptions)>, column: usize, skip_null: bool, distinct: bool, n: i64 },
    /// A total of the column's different values, each counted once.
    Distinct { column: usize, total: TotalFunction },
    /// DataFusion's median of the values about the middle. `distinct` takes equal values as one.
    Median { column: usize, distinct: bool, accumulator: Box<AggregateFunctionExpr> },
    /// A quantile of floats, interpolated as DataFusion does.
    Percentile { column: usize, distinct: bool, fraction: f64 },
    /// DataFusion's accumulator over the group's rows in order. It takes the arguments and then the order's columns.
    Ordered { order: Vec<(usize, SortOptions)>, columns: Vec<usize>, accumulator: Box<AggregateFunctionExpr> },
}

/// What follows a change of its rows by arithmetic.
#[derive(Debug, Clone)]
pub enum TotalFunction {
    Count,
    /// Of integers or durations.
    SumInt,
    /// Of durations: the sum divided by the count, without what remains.
    AvgDuration,
    SumDecimal,
    /// DataFusion's average of the sum and the count.
    AvgDecimal(Box<AggregateFunctionExpr>),
    /// Exact and independent of order.
    SumFloat,
    /// The exact sum, rounded once, divided by the count.
    AvgFloat,
    /// Variance, or its square root: exact and rounded once.
    Moments {
        spread: Spread,
        root: bool,
    },
    BoolAnd,
    BoolOr,
    /// Of integers, bit by bit.
    Bits(BitOperation),
}

impl AggregateSpec {
    pub(super) fn group_types(&self) -> Vec<DataType> {
        self.groups.iter().map(|&index| column_type(&self.input, index)).collect()
    }
}

/// The type of an input column.
pub(super) fn column_type(input: &Schema, index: usize) -> DataType {
    input.field(index).data_type().clone()
}
