//! What came of a trial, as people and programs read it.

use std::collections::BTreeMap;

use arrow::array::BooleanArray;
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use serde::Serialize;
use serde_json::value::RawValue;

use super::tap::has_value;
use crate::circuit::{OperatorReport, ZBatch};
use crate::lifecycle::Parked;
use crate::progress::SourceName;
use crate::read_model::catalog::RowErrorStatus;
use crate::serve::json::type_name;

/// What a SELECT gives over some events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub columns: Vec<Column>,
    /// The columns that tell the rows apart.
    pub key: Vec<String>,
    /// Whether no two rows can have one key, whatever the events.
    pub key_proven: bool,
    /// Whether equal rows may be there several times. There is no key then, and a table needs `key` or `duplicates`.
    pub rows_may_repeat: bool,
    /// Objects, by key.
    pub rows: Vec<Box<RawValue>>,
    /// Messages that were read, by source.
    pub events: BTreeMap<SourceName, u64>,
    /// Of these, those that came late and were left out, where a source drops late events.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_late: BTreeMap<SourceName, u64>,
    pub parked: Vec<ParkedEvent>,
    pub state: StateKept,
    /// Projections that were computed for it.
    pub reads: Vec<String>,
    /// What changed with each event that changed anything; none if nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
    /// Why the rows are not what the projection would serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The first rows, groups and partitions that cannot be computed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub row_errors: Vec<RowErrorStatus>,
    /// Why a source was not read to its end.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub halted: BTreeMap<SourceName, String>,
}

/// A column of the rows, with its type as sources declare it.
#[derive(Debug, Serialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
}

impl Column {
    pub(super) fn all(fields: &[FieldRef]) -> Vec<Self> {
        fields
            .iter()
            .map(|field| Column { name: field.name().clone(), data_type: type_name(field.data_type()) })
            .collect()
    }
}

/// What the projection keeps at the end.
#[derive(Debug, Serialize)]
pub struct StateKept {
    /// Its own rows.
    pub rows: u64,
    /// Of its rows and its operators, approximately.
    pub bytes: u64,
    pub operators: Vec<OperatorReport>,
}

/// What one event changed.
#[derive(Debug, Serialize)]
pub struct Change {
    pub source: SourceName,
    pub sequence: u64,
    /// Objects.
    pub added: Vec<Box<RawValue>>,
    pub removed: Vec<Box<RawValue>>,
}

impl Change {
    pub(super) fn none((source, sequence): (SourceName, u64)) -> Self {
        Self { source, sequence, added: Vec::new(), removed: Vec::new() }
    }

    /// A delta as the rows that came and those that went, as `shown` writes them.
    pub(super) fn of(
        (source, sequence): (SourceName, u64),
        delta: &ZBatch,
        shown: impl Fn(&ZBatch) -> Result<Vec<Box<RawValue>>, ArrowError>,
    ) -> Result<Self, ArrowError> {
        let part = |is_added: bool| -> Result<_, ArrowError> {
            let mask: BooleanArray = (0..delta.len()).map(|row| Some((delta.weight(row) > 0) == is_added)).collect();
            shown(&delta.filter(&mask)?)
        };
        Ok(Self { source, sequence, added: part(true)?, removed: part(false)? })
    }

    /// Whether a row that came or went has this value in a column: JSON, or a text as it is.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.added.iter().chain(&self.removed).any(|row| has_value(row, name, value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// An event that is not in the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedEvent {
    pub source: SourceName,
    pub sequence: u64,
    pub event_type: Option<String>,
    /// What could not take it; none if it could not be decoded, so that nothing has it.
    pub projection: Option<String>,
    pub reason: &'static str,
    pub pointer: Option<String>,
    pub detail: String,
}

impl ParkedEvent {
    pub(super) fn of(parked: &Parked) -> Self {
        let rejected = &parked.rejected;
        Self {
            source: parked.source.clone(),
            sequence: rejected.message.seq,
            event_type: rejected.type_name().map(str::to_owned),
            projection: parked.generation.as_ref().map(|generation| generation.projection.to_string()),
            reason: rejected.reason.label(),
            pointer: rejected.pointer.clone(),
            detail: rejected.detail.clone(),
        }
    }
}

impl Outcome {
    /// Whether these are the rows of all events, as far as this SQL decides that.
    pub fn is_whole(&self) -> bool {
        let own = |parked: &ParkedEvent| parked.projection.as_deref() == Some(super::THIS_SQL);
        self.error.is_none() && self.halted.is_empty() && !self.parked.iter().any(own)
    }
}
