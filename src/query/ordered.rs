//! The first rows of a table in an order that it keeps: one after the other is visited until there are enough that pass the filters.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::filter::batch_filter;
use tokio::task::yield_now;

use super::QueryError;
use super::session::Session;
use crate::read_model::OrderedRows;

/// So many rows are visited for each that is wanted, and at least so many. Where fewer are seen and pass, all rows are sorted in less time.
const VISITS_PER_ROW: usize = 64;
const VISITS_MIN: usize = 4_096;

/// Rows that are visited at once: at first as many as are wanted, and twice as many each time.
const STEP_MIN: usize = 16;
const STEP_MAX: usize = 1_024;

/// The first so many rows that pass all filters, or fewer if there are no more; none where they are too far apart.
pub(super) async fn first_rows(
    session: &Session,
    mut rows: OrderedRows,
    filters: &[Expr],
    wanted: usize,
    schema: &SchemaRef,
) -> Result<Option<RecordBatch>, QueryError> {
    let condition = conjunction(filters.iter().cloned()).map(|condition| session.physical(condition, schema));
    let condition = condition.transpose().map_err(QueryError::planning)?;
    let mut passed = session.account().gather();
    let (mut missing, mut step) = (wanted, wanted.clamp(STEP_MIN, STEP_MAX));
    let mut visits = wanted.saturating_mul(VISITS_PER_ROW).max(VISITS_MIN);
    while missing > 0 {
        let Some(left) = visits.checked_sub(step) else { return Ok(None) };
        visits = left;
        let Some(seen) = rows.visit(step).map_err(QueryError::running)? else { break };
        let seen = match &condition {
            Some(condition) => batch_filter(&seen, condition).map_err(QueryError::running)?,
            None => seen,
        };
        let seen = seen.slice(0, seen.num_rows().min(missing));
        missing -= seen.num_rows();
        if seen.num_rows() > 0 {
            passed.push(seen).map_err(QueryError::running)?;
        }
        if missing > 0 {
            step = (2 * step).min(STEP_MAX);
            // Others have their turn, and a query that has to end can.
            yield_now().await;
        }
    }
    concat_batches(schema, &passed.batches).map(Some).map_err(|error| QueryError::running(error.into()))
}

#[cfg(test)]
mod tests;
