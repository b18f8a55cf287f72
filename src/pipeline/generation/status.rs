//! What status shows of a generation.

use std::collections::BTreeMap;

use super::in_error::told;
use super::{Definition, Generation};
use crate::progress::Phase;
use crate::read_model::catalog::{ColumnStatus, ProjectionStatus};

impl Definition {
    /// What status shows of a projection of which nothing is there yet.
    pub(in crate::pipeline) fn status(&self) -> ProjectionStatus {
        let table = &self.table;
        let key = table.key.iter().map(|&index| table.schema.field(index).name().clone());
        ProjectionStatus {
            name: table.name.clone(),
            kind: if self.search.is_some() { "search" } else { "table" },
            owner: self.owner.clone(),
            sql: self.sql.clone(),
            reads: self.relations.clone(),
            slo: self.slo,
            generation: 0,
            state: Phase::Building,
            rows: 0,
            state_bytes: 0,
            disk_bytes: None,
            state_limit: self.state_limit,
            operators: Vec::new(),
            columns: ColumnStatus::all(&table.schema),
            key: key.collect(),
            error: None,
            row_errors: Vec::new(),
            rows_in_error: 0,
            positions: BTreeMap::new(),
            since: BTreeMap::new(),
            build: None,
            kept: None,
            withheld: false,
        }
    }
}

impl Generation {
    pub fn status(&self) -> ProjectionStatus {
        ProjectionStatus {
            generation: self.id.number,
            state: self.phase(),
            rows: self.table().num_rows() as u64,
            state_bytes: self.state_bytes(),
            operators: self.operators(),
            error: self.reason().or_else(|| self.rows.failure()).map(str::to_owned),
            row_errors: self.circuit.as_ref().map(told).unwrap_or_default(),
            rows_in_error: self.circuit.as_ref().map_or(0, |circuit| circuit.errors().len() as u64),
            positions: self.cut.positions.clone(),
            since: self.since.clone(),
            ..self.definition.status()
        }
    }
}
