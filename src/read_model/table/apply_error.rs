//! Why a delta cannot be applied, with the rows written so that a person recognises them.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::TableSpec;
use crate::circuit::shown_columns;

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The projection's SQL gives two rows for one key.
    #[error(transparent)]
    KeyConflict(Box<KeyConflict>),
    /// A delta that no correct circuit makes.
    #[error("internal error in table `{table}`: {message}; please report it")]
    Internal { table: String, message: String },
    /// Rows that do not fit the table's columns, or a kernel's limit.
    #[error("table `{table}`: {source}")]
    Rows { table: String, source: ArrowError },
}

/// After the delta two live rows would have the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConflict {
    pub table: String,
    /// `customer_id=17`.
    pub key: String,
    /// Both rows; equal if the same row comes twice.
    pub rows: [String; 2],
}

impl std::error::Error for KeyConflict {}

impl fmt::Display for KeyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, rows: [first, second] } = self;
        write!(f, "two rows of table `{table}` have the key {key}: {first} and {second}; ")?;
        write!(f, "add the columns that tell them apart to `key`, or choose one with DISTINCT ON")
    }
}

/// One row's key as `order_id=1, line=2`.
pub(super) fn shown_key(rows: &RecordBatch, row: usize, spec: &TableSpec) -> String {
    match spec.key.is_empty() {
        true => "() (the table holds one row)".to_owned(),
        false => shown_columns(rows, row, &spec.key, "="),
    }
}
