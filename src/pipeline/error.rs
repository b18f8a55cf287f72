//! Why one generation cannot go on, or be set up.

use arrow::error::ArrowError;

use crate::circuit::CircuitError;
use crate::read_model::TakeError;
use crate::read_model::search::IndexError;
use crate::read_model::table::RestoreError;

/// What concerns one generation alone: the others go on.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    #[error(transparent)]
    Rows(#[from] TakeError),
    #[error("its state takes {bytes} bytes, and `state_limit` is {limit}; {most}; keep less, or raise the limit")]
    StateLimit {
        bytes: u64,
        limit: u64,
        /// Where most of it is, as a sentence.
        most: String,
    },
    #[error(
        "{events} events at once cannot be computed, and with those before they are more than `parked.max_events` allows; the last is one of `{source_name}`; correct its SQL, or raise the limit, and reload"
    )]
    ParkedLimit { events: usize, source_name: String },
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("its rows cannot be read: {0}")]
    Arrow(#[from] ArrowError),
    #[error("internal error: a generation that takes nothing was stepped; please report it")]
    NoCircuit,
}
