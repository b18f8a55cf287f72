//! Which state computes a call. Nothing else in the circuit asks what function it is.

use arrow::error::ArrowError;

use super::best::Best;
use super::call_state::CallState;
use super::ranked::{Accumulate, Distinct, First, Outcome, Ranked, median, nth, percentile};
use super::spec::{AggregateSpec, Call, Function, Order, TotalFunction};
use super::total::bits::Bits;
use super::total::bools::Bools;
use super::total::decimals::Decimals;
use super::total::floats::Floats;
use super::total::integers::Integers;
use super::total::moments::Moments;
use super::total::{Sum, Total};

/// The empty state of a call.
///
/// # Errors
/// A column's type has no order, which the planner refuses.
pub(super) fn state(call: &Call, spec: &AggregateSpec) -> Result<Box<dyn CallState>, ArrowError> {
    let input = &spec.input;
    let ranked = |order: &Order, arguments: &[usize], not_null, outcome: Box<dyn Outcome>| {
        Ok(Box::new(Ranked::new(order, arguments, not_null, outcome, input)?) as Box<dyn CallState>)
    };
    // The values of a column that are not NULL, in their own order.
    let values = |column: usize, outcome| ranked(&[], &[column], Some(column), outcome);
    match &call.function {
        Function::Total { column, total } => {
            let may_be_null = column.is_some_and(|column| input.field(column).is_nullable());
            Ok(Box::new(Total::new(*column, sum(total), may_be_null || call.filter.is_some())))
        }
        // What never goes needs no successor.
        Function::First { order, column, skip_null } if spec.append_only => {
            Ok(Box::new(Best::new(order, *column, *skip_null, input)?))
        }
        Function::First { order, column, skip_null } => {
            ranked(order, &[*column], skip_null.then_some(*column), Box::new(First))
        }
        Function::Nth { order, column, skip_null, distinct, n } => {
            ranked(order, &[*column], skip_null.then_some(*column), nth(*n, *distinct))
        }
        // It counts by itself, because how many rows a group has says nothing of its different values.
        Function::Distinct { column, total } => {
            values(*column, Box::new(Distinct(Total::new(Some(*column), sum(total), true))))
        }
        Function::Median { column, distinct, accumulator } => values(*column, median(accumulator.clone(), *distinct)),
        Function::Percentile { column, distinct, fraction } => values(*column, percentile(*fraction, *distinct)),
        Function::Ordered { order, columns, accumulator } => {
            ranked(order, columns, None, Box::new(Accumulate(accumulator.clone())))
        }
    }
}

/// What a total adds up; none if that is only the number of rows.
fn sum(total: &TotalFunction) -> Option<Box<dyn Sum>> {
    Some(match total {
        TotalFunction::Count => return None,
        TotalFunction::SumInt => Box::new(Integers::default()),
        TotalFunction::AvgDuration => Box::new(Integers::averaged()),
        TotalFunction::SumDecimal => Box::new(Decimals::default()),
        TotalFunction::AvgDecimal(accumulator) => Box::new(Decimals::averaged(accumulator.clone())),
        TotalFunction::SumFloat => Box::new(Floats::default()),
        TotalFunction::AvgFloat => Box::new(Floats::averaged()),
        TotalFunction::Moments { spread, root } => Box::new(Moments::new(*spread, *root)),
        TotalFunction::BoolAnd => Box::new(Bools::all()),
        TotalFunction::BoolOr => Box::new(Bools::any()),
        TotalFunction::Bits(operation) => Box::new(Bits::new(*operation)),
    })
}
