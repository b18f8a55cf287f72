//! What status shows of a generation.

use super::Generation;
use super::in_error::told;
use crate::read_model::catalog::{ColumnStatus, ProjectionStatus};

impl Generation {
    pub fn status(&self) -> ProjectionStatus {
        let table = &self.definition.table;
        let columns = table.schema.fields().iter().map(|field| ColumnStatus {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        });
        let key = table.key.iter().map(|&index| table.schema.field(index).name().clone());
        ProjectionStatus {
            name: self.projection().to_owned(),
            kind: if self.definition.search.is_some() { "search" } else { "table" },
            owner: self.definition.owner.clone(),
            generation: self.id.number,
            state: self.phase(),
            rows: self.table().num_rows() as u64,
            state_bytes: self.state_bytes(),
            state_limit: self.definition.state_limit,
            operators: self.operators(),
            columns: columns.collect(),
            key: key.collect(),
            error: self.reason().or_else(|| self.rows.failure()).map(str::to_owned),
            row_errors: self.circuit.as_ref().map(told).unwrap_or_default(),
            rows_in_error: self.circuit.as_ref().map_or(0, |circuit| circuit.errors().len() as u64),
            positions: self.cut.positions.clone(),
            build: None,
        }
    }
}
