//! One aggregate call: which of the circuit's functions computes it.
//!
//! Totals follow a change by arithmetic, first and n-th rows and quantiles by an order. Everything else goes over the
//! group's rows with DataFusion's own accumulator.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::NullTreatment;
use datafusion::logical_expr::{self as logical, Expr};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::expressions::is_sortable;
use super::specification;
use crate::circuit::{BitOperation, Call, Function, TotalFunction};
use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;
use crate::plan::functions::{Lowering, known, nth};
use crate::sql::cause;

/// An aggregate call whose expressions are columns of the aggregate's input.
pub(super) struct PlacedCall<'a> {
    pub(super) function: &'a logical::expr::AggregateFunction,
    pub(super) name: String,
    pub(super) arguments: Vec<usize>,
    pub(super) order: Vec<(usize, SortOptions)>,
    pub(super) filter: Option<usize>,
}

const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };
const DESCENDING: SortOptions = SortOptions { descending: true, nulls_first: false };

impl PlacedCall<'_> {
    /// Refuses what DataFusion's accumulators cannot compute either, or not always alike.
    fn reject(&self, input: &Schema) -> Result<(), Refusal> {
        let lowering = self.lowering();
        for column in self.arguments.iter().chain(self.order.iter().map(|(column, _)| column)) {
            let data_type = input.field(*column).data_type();
            let compares_maps =
                matches!(data_type, DataType::Map(_, _)) && matches!(lowering, Some(Lowering::Min | Lowering::Max));
            if compares_maps || !is_sortable(data_type) {
                return Err(Refusal::new(Code::NotKept, format!("`{}` is over a type that has no order", self.name)));
            }
        }
        if lowering == Some(Lowering::Count) && self.function.params.distinct && self.arguments.len() > 1 {
            return Err(Refusal::new(Code::NotKept, "count(DISTINCT …) takes one value")
                .hint("put several together: `count(DISTINCT named_struct('a', a, 'b', b))`"));
        }
        Ok(())
    }

    /// Adds what the call computes of the aggregate's input.
    pub(super) fn specify(&self, specification: Specification) -> Specification {
        let params = &self.function.params;
        let order = |specification: Specification, (column, options): &(usize, SortOptions)| {
            specification.index(*column).flag(options.descending).flag(options.nulls_first)
        };
        let called = specification::function(specification, self.function.func.name()).flag(params.distinct);
        specification::null_handling(called, params.null_treatment)
            .list(self.arguments.iter(), |specification, column| specification.index(*column))
            .list(self.order.iter(), order)
            .option(self.filter, Specification::index)
    }

    /// Chooses the function.
    pub(super) fn resolve(self, input: &Schema) -> Result<Call, Refusal> {
        self.reject(input)?;
        let function = match self.total(input)? {
            Some(total) => total,
            None => match self.picked(input)? {
                Some(picked) => picked,
                None => Function::Ordered {
                    accumulator: self.accumulator(input)?,
                    order: self.order,
                    columns: self.arguments,
                },
            },
        };
        Ok(Call { function, filter: self.filter })
    }

    /// What follows by arithmetic, over all values or over the different ones.
    fn total(&self, input: &Schema) -> Result<Option<Function>, Refusal> {
        let Some(lowering) = self.lowering() else { return Ok(None) };
        let distinct = self.function.params.distinct;
        let rows = Function::Total { column: None, total: TotalFunction::Count };
        let &[column] = self.arguments.as_slice() else {
            return Ok((lowering == Lowering::Count && self.arguments.is_empty()).then_some(rows));
        };
        if lowering == Lowering::Count && !distinct && self.counts_every_row() {
            return Ok(Some(rows));
        }
        let total = match (lowering, input.field(column).data_type()) {
            (Lowering::Count, _) => TotalFunction::Count,
            (Lowering::Sum, DataType::Int64 | DataType::UInt64 | DataType::Duration(_)) => TotalFunction::SumInt,
            (Lowering::Sum, DataType::Decimal128(_, _)) => TotalFunction::SumDecimal,
            (Lowering::Sum, DataType::Float64) => TotalFunction::SumFloat,
            (Lowering::Average, DataType::Duration(_)) if !distinct => TotalFunction::AvgDuration,
            (Lowering::Average, DataType::Float64) => TotalFunction::AvgFloat,
            (Lowering::Average, DataType::Decimal128(_, _)) if !distinct => {
                TotalFunction::AvgDecimal(self.accumulator(input)?)
            }
            (Lowering::BoolAnd, _) => TotalFunction::BoolAnd,
            (Lowering::BoolOr, _) => TotalFunction::BoolOr,
            (Lowering::Bits(operation), of) if of.is_integer() => TotalFunction::Bits(operation),
            (Lowering::Moments { spread, root }, DataType::Float64) => TotalFunction::Moments { spread, root },
            _ => return Ok(None),
        };
        // The same again and again says nothing new to some.
        let repeats_count = match lowering {
            Lowering::BoolAnd | Lowering::BoolOr => false,
            Lowering::Bits(operation) => operation == BitOperation::Xor,
            _ => true,
        };
        let distinct = distinct && repeats_count;
        Ok(Some(match distinct {
            true => Function::Distinct { column, total },
            false => Function::Total { column: Some(column), total },
        }))
    }

    /// The function over ordered rows: one that takes a row at a position of the order, or rows about one.
    fn picked(&self, input: &Schema) -> Result<Option<Function>, Refusal> {
        let Some(&column) = self.arguments.first() else { return Ok(None) };
        let params = &self.function.params;
        let skip_null = params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let first = |order, skip_null| Function::First { order, column, skip_null };
        Ok(Some(match self.lowering() {
            Some(Lowering::Min) => first(vec![(column, ASCENDING)], true),
            Some(Lowering::Max) => first(vec![(column, DESCENDING)], true),
            Some(Lowering::FirstValue) if !self.order.is_empty() => first(self.order.clone(), skip_null),
            Some(Lowering::LastValue) if !self.order.is_empty() => first(self.reversed(), skip_null),
            Some(Lowering::NthValue) => match self.nth() {
                Some((order, n)) => Function::Nth { order, column, skip_null, distinct: params.distinct, n },
                None => return Ok(None),
            },
            Some(Lowering::Median) => {
                Function::Median { column, distinct: params.distinct, accumulator: self.accumulator(input)? }
            }
            Some(Lowering::Percentile) if *input.field(column).data_type() == DataType::Float64 => {
                match self.fraction() {
                    Some(fraction) => Function::Percentile { column, distinct: params.distinct, fraction },
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// How the circuit computes the function, where its types allow that.
    fn lowering(&self) -> Option<Lowering> {
        known(self.function.func.name())?.lowering
    }

    /// Whether what is counted is a constant other than NULL.
    fn counts_every_row(&self) -> bool {
        matches!(self.function.params.args.first(), Some(Expr::Literal(value, _)) if !value.is_null())
    }

    /// The number that `nth_value` asks for, and the order in which it is counted from the front.
    fn nth(&self) -> Option<(Vec<(usize, SortOptions)>, i64)> {
        let n = nth(self.function.params.args.get(1)?)?;
        Some(if n > 0 { (self.order.clone(), n) } else { (self.reversed(), n.saturating_neg()) })
    }

    fn reversed(&self) -> Vec<(usize, SortOptions)> {
        self.order.iter().map(|(column, options)| (*column, !*options)).collect()
    }

    /// Of the way from the least value to the greatest.
    fn fraction(&self) -> Option<f64> {
        let Some(Expr::Literal(ScalarValue::Float64(Some(fraction)), _)) = self.function.params.args.get(1) else {
            return None;
        };
        let descends = self.order.first().is_some_and(|(_, options)| options.descending);
        Some(if descends { 1.0 - fraction } else { *fraction })
    }

    fn accumulator(&self, input: &Schema) -> Result<Box<AggregateFunctionExpr>, Refusal> {
        let column_at = |index: usize| Arc::new(Column::new(input.field(index).name(), index)) as Arc<dyn PhysicalExpr>;
        let params = &self.function.params;
        let arguments = params.args.iter().zip(&self.arguments).enumerate().map(|(number, (arg, column))| match arg {
            // Some functions want to see that what they are told beside their rows is a constant.
            Expr::Literal(value, _) if number > 0 => {
                Arc::new(Literal::new(ScalarValue::clone(value))) as Arc<dyn PhysicalExpr>
            }
            _ => column_at(*column),
        });
        let order =
            self.order.iter().map(|(column, options)| PhysicalSortExpr { expr: column_at(*column), options: *options });
        let accumulator = AggregateExprBuilder::new(self.function.func.clone(), arguments.collect())
            .order_by(order.collect())
            .schema(Arc::new(input.clone()))
            .alias(&self.name)
            .with_ignore_nulls(params.null_treatment == Some(NullTreatment::IgnoreNulls))
            .with_distinct(params.distinct)
            .build()?;
        // Some functions know only when asked for one that there is none for this type.
        if let Err(error) = accumulator.create_accumulator() {
            return Err(Refusal::new(Code::NotKept, format!("`{}` cannot be computed: {}", self.name, cause(&error))));
        }
        if self.order.is_empty() {
            return Ok(Box::new(accumulator));
        }
        // Rows come to it in their order. It would put them in another one where lists have NULLs in them.
        let as_they_come = Arc::new(accumulator.clone()).with_beneficial_ordering(true)?;
        Ok(Box::new(as_they_come.unwrap_or(accumulator)))
    }
}
