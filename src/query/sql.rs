//! Free SQL: a query with parameters, all rows in batches, within the limits.

use std::collections::HashMap;
use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::session::{Session, Sessions};
use super::{ErrorKind, ParsedQuery, QueryError};

/// Values for `$name`, or for `$1` and so on.
#[derive(Debug, Clone, PartialEq)]
pub enum Params {
    Named(HashMap<String, ScalarValue>),
    Positional(Vec<ScalarValue>),
}

/// A query with its parameters.
#[derive(Debug)]
pub struct SqlRequest {
    pub parsed: ParsedQuery,
    pub params: Params,
}

/// The rows of an answer as they are computed: no more of them than an answer may have. To hold the answer only once,
/// render each batch before the next is taken.
pub struct RowBatches {
    stream: SendableRecordBatchStream,
    rows: usize,
    rows_max: usize,
}

impl RowBatches {
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// Where the query fails, and where there are more rows than one answer may have: that is never a silent cut.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let Some(batch) = self.stream.try_next().await.map_err(QueryError::running)? else { return Ok(None) };
        self.rows += batch.num_rows();
        if self.rows > self.rows_max {
            return Err(QueryError::new(
                ErrorKind::TooLarge,
                format!("the answer has more than {} rows", self.rows_max),
            )
            .hint("add LIMIT, or aggregate"));
        }
        Ok(Some(batch))
    }
}

impl fmt::Debug for RowBatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBatches").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Starts the query.
pub(super) async fn run(
    sessions: &Sessions,
    session: &Session,
    request: SqlRequest,
    rows_max: usize,
) -> Result<RowBatches, QueryError> {
    start(sessions, session, &request.parsed, request.params, rows_max).await
}

/// Starts a query that is parsed.
pub(super) async fn start(
    sessions: &Sessions,
    session: &Session,
    parsed: &ParsedQuery,
    params: Params,
    rows_max: usize,
) -> Result<RowBatches, QueryError> {
    let params = match params {
        Params::Named(values) => ParamValues::from(values),
        Params::Positional(values) => values.into(),
    };
    let planned = session.plan(sessions, parsed, params).await?;
    Ok(RowBatches { stream: session.execute(&planned.plan).await?, rows: 0, rows_max })
}
