//! Free SQL: a query with parameters, all rows in batches, within the limits.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::results::{Asked, Keeping, KeptRows, sorted};
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

/// The rows of an answer as they are computed, or as they were kept: no more of them than an answer may have. To hold the answer only
/// once, render each batch before the next is taken.
pub struct RowBatches {
    source: Batches,
    rows: usize,
    rows_max: usize,
    /// Takes along what is computed, to keep it.
    keeping: Option<Keeping>,
}

enum Batches {
    Computed(SendableRecordBatchStream),
    Kept { rows: Arc<KeptRows>, next: usize },
}

impl RowBatches {
    /// Those of an answer that was kept.
    pub(super) fn kept(rows: Arc<KeptRows>, rows_max: usize) -> Self {
        RowBatches { source: Batches::Kept { rows, next: 0 }, rows: 0, rows_max, keeping: None }
    }

    pub fn schema(&self) -> SchemaRef {
        match &self.source {
            Batches::Computed(stream) => stream.schema(),
            Batches::Kept { rows, .. } => rows.schema.clone(),
        }
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// Where the query fails, and where there are more rows than one answer may have: that is never a silent cut.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let Some(batch) = self.source.next().await? else {
            if let Some(keeping) = self.keeping.take() {
                keeping.finish(&self.schema());
            }
            return Ok(None);
        };
        self.rows += batch.num_rows();
        if self.rows > self.rows_max {
            return Err(QueryError::new(
                ErrorKind::TooLarge,
                format!("the answer has more than {} rows", self.rows_max),
            )
            .hint("add LIMIT, or aggregate"));
        }
        self.keeping = self.keeping.take().and_then(|keeping| keeping.taken(&batch));
        Ok(Some(batch))
    }
}

impl Batches {
    async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        match self {
            Batches::Computed(stream) => stream.try_next().await.map_err(QueryError::running),
            Batches::Kept { rows, next } => {
                let batch = rows.batches.get(*next).cloned();
                *next += 1;
                Ok(batch)
            }
        }
    }
}

impl SqlRequest {
    /// The request as a part of a question.
    pub(super) fn asked(&self) -> Asked {
        let params = match &self.params {
            Params::Named(values) => sorted(values),
            Params::Positional(values) => {
                let numbered = values.iter().enumerate();
                numbered.map(|(place, value)| (format!("${}", place + 1), value.clone())).collect()
            }
        };
        Asked::Sql { text: self.parsed.text.clone(), params }
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
    keeping: Option<Keeping>,
) -> Result<RowBatches, QueryError> {
    start(sessions, session, &request.parsed, request.params, rows_max, keeping).await
}

/// Starts a query that is parsed.
pub(super) async fn start(
    sessions: &Sessions,
    session: &Session,
    parsed: &ParsedQuery,
    params: Params,
    rows_max: usize,
    keeping: Option<Keeping>,
) -> Result<RowBatches, QueryError> {
    let params = match params {
        Params::Named(values) => ParamValues::from(values),
        Params::Positional(values) => values.into(),
    };
    let planned = session.plan(sessions, parsed, params).await?;
    let keeping = keeping.and_then(|keeping| keeping.of(planned.repeatable));
    let source = Batches::Computed(session.execute(&planned.plan).await?);
    Ok(RowBatches { source, rows: 0, rows_max, keeping })
}
