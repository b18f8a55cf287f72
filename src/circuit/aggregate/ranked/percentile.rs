//! A quantile of floats, between the values about its place.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::super::super::{CircuitError, canonical};
use super::cursors::{AtCursor, CursorTarget, CursorValue, Neighbours};
use super::ordered_rows::OrderedRows;
use super::outcome::Outcome;

/// The quantile at `fraction` of the way from the least value to the greatest; with `distinct`, equal values count as one.
pub(in super::super) fn percentile(fraction: f64, distinct: bool) -> Box<dyn Outcome> {
    Box::new(AtCursor::new(CursorTarget::Quantile(fraction), distinct, Percentile))
}

#[derive(Debug)]
struct Percentile;

impl CursorValue for Percentile {
    fn results(
        &self,
        rows: &OrderedRows,
        found: &[Option<Neighbours<'_>>],
        _: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        let values = found.iter().flatten().flat_map(|found| [found.lower, found.upper]);
        let values = rows.codec.decode(values)?;
        let mut values = values[0].as_primitive::<Float64Type>().values().chunks_exact(2);
        let percentiles = found.iter().map(|found| {
            let Neighbours { part, .. } = (*found)?;
            let (lower, upper) = values.next().map(|pair| (pair[0], pair[1]))?;
            Some(interpolated(lower, upper, part))
        });
        Ok(Arc::new(percentiles.collect::<Float64Array>()))
    }
}

/// What is `part` of the way from one value to the next: the first one if that is 0. Between two infinities there is a NaN, which
/// has to be the one that comes after all other values in every order.
pub fn interpolated(lower: f64, upper: f64, part: f64) -> f64 {
    let gap = upper - lower;
    canonical(match part {
        0.0 => lower,
        _ if gap.is_infinite() && lower.is_finite() && upper.is_finite() => lower * (1.0 - part) + upper * part,
        _ => lower + gap * part,
    })
}
