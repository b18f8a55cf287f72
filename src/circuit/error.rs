//! What can go wrong in a step: one event's fault, or the whole step's.

use datafusion::common::DataFusionError;

use crate::sql::cause;

/// An error that one event alone is to blame for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributable {
    pub source: String,
    /// The event's index in the batch of that source.
    pub row: usize,
    pub message: String,
}

/// Why a step failed as a whole. The circuit must not be used any further.
#[derive(Debug, thiserror::Error)]
#[error("{}", cause(.0))]
pub struct CircuitError(#[from] pub DataFusionError);

impl From<arrow::error::ArrowError> for CircuitError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self(error.into())
    }
}
