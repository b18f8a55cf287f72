//! Why the rows of a generation are those of an earlier cut although it takes every commit: its batch result at its own cut
//! is an error.

use crate::circuit::{Circuit, RowError};
use crate::read_model::catalog::RowErrorStatus;

/// Errors that are told one by one; beyond it they are only counted.
const TOLD_MAX: usize = 10;

/// What a generation is in error about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InError {
    /// It cannot be computed, or reads what is in error.
    Computed { reason: String },
    /// Two of its rows have this key.
    Key { key: String, reason: String },
}

impl InError {
    /// The errors of a circuit; none if there are none.
    pub(super) fn of(circuit: &Circuit) -> Option<Self> {
        let mut errors = circuit.errors();
        let others = errors.len().checked_sub(1)?;
        let (operator, RowError { row, message, .. }) = errors.next()?;
        let others = match others {
            0 => String::new(),
            1 => " (and one more row)".to_owned(),
            others => format!(" (and {others} more rows)"),
        };
        Some(Self::Computed { reason: format!("`{operator}` cannot be computed of {row}: {message}{others}") })
    }

    pub(super) fn of_input(input: &str) -> Self {
        Self::Computed { reason: format!("its input `{input}` is in error") }
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Computed { reason } | Self::Key { reason, .. } => reason,
        }
    }
}

/// The first errors of a circuit, for status.
pub(super) fn told(circuit: &Circuit) -> Vec<RowErrorStatus> {
    let first = circuit.errors().take(TOLD_MAX);
    let status = |(operator, error): (&'static str, &RowError)| RowErrorStatus {
        operator,
        row: error.row.clone(),
        message: error.message.clone(),
    };
    first.map(status).collect()
}
