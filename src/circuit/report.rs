//! What each operator of a circuit keeps and what it has looked at: for status, `validate`, metrics and limits.

use serde::Serialize;

/// One operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorReport {
    /// Its index in the circuit, from 0.
    pub index: usize,
    pub name: &'static str,
    /// What its state grows with; none if it keeps nothing.
    pub grows_with: Option<&'static str>,
    /// The source whose watermark closes its windows; none if what it keeps stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// Groups and rows that it keeps.
    pub rows: u64,
    /// Approximate bytes of them in memory.
    pub bytes: u64,
    /// Rows of its input and of its state that it has looked at since it was started.
    pub touched: u64,
    /// Projections that have this same operator: its state is there once, and counts for each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<String>,
}

/// State of one operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) grows_with: Option<&'static str>,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) touched: u64,
}
