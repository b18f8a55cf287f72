//! The rows of the last checkpoint, which stay readable while their projection is built again.

use std::sync::Arc;

use super::super::continuation::{BuildReason, Mismatch, check_table};
use super::super::generation::{Definition, Generation};
use crate::checkpoint::{GenerationEntry, table_store};
use crate::lifecycle::{GenerationId, GenerationState};
use crate::plan::PlannedProjection;
use crate::progress::Cut;
use crate::read_model::ReadModel;
use crate::read_model::table::{Table, TableSpec};
use crate::state::Stores;

/// The rows that the checkpoint has of a generation which is built again, if they are whole.
pub(super) fn last_rows(
    planned: &PlannedProjection,
    entry: &GenerationEntry,
    reason: &BuildReason,
    cut: &Cut,
    stores: &mut Stores,
) -> Option<Generation> {
    let name = planned.config.name.as_str();
    let store = table_store(name, entry.generation);
    let (schema, key) = match check_table(name, entry, stores) {
        Ok(shape) => (shape.schema.clone(), entry.key.clone()),
        // An older build lists nothing. Under the columns of today, its rows are as good as they were.
        Err(Mismatch::NoTable) => {
            let schema = &planned.compiled.schema;
            let fits = stores.get(&store)?.iter().all(|segment| segment.rows.schema() == schema.schema);
            fits.then(|| (schema.schema.clone(), schema.key.clone()))?
        }
        Err(mismatch) => {
            tracing::warn!(projection = name, reason = %mismatch, "the rows of the last checkpoint cannot be served meanwhile");
            return None;
        }
    };
    let definition = Definition::of(planned);
    let table = TableSpec { name: name.to_owned(), schema, key, key_proven: false, indexes: Vec::new() };
    let table = Arc::new(table);
    let rows = match Table::restore(table.clone(), stores.remove(&store).unwrap_or_default()) {
        Ok(rows) => ReadModel::Table(Box::new(rows)),
        Err(error) => {
            tracing::warn!(projection = name, %error, "the rows of the last checkpoint cannot be served meanwhile");
            return None;
        }
    };
    // Rows that were never right are no last rows.
    let of_rows = match &entry.held {
        Some(held) => &held.cut.as_ref()?.positions,
        None => &entry.positions,
    };
    let reads = definition.reads.keys();
    let positions = reads.map(|source| (source.clone(), of_rows.get(source).copied().unwrap_or_default())).collect();
    let state = GenerationState::Rebuilding { reason: reason.to_string() };
    let definition = Definition { rows: entry.rows, table, sql: None, ..definition };
    let cut = Cut { positions, revision: cut.revision };
    let id = GenerationId::new(name, entry.generation);
    Some(Generation::last_rows(id, definition, state, rows, cut, entry))
}
