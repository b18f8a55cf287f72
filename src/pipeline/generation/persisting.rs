//! What checkpoints and readers have of a generation.

use std::collections::BTreeMap;

use super::super::error::GenerationError;
use super::Generation;
use crate::checkpoint::{GenerationEntry, HeldEntry, OperatorEntry, errors_store, held_store, table_store};
use crate::circuit::{Circuit, CircuitError};
use crate::progress::{Losses, SourceName};
use crate::read_model::Published;
use crate::read_model::catalog::Relation;
use crate::state::StateDelta;

impl Generation {
    /// What changed in its state since the last call, by store name. Of a generation that has stopped these are the rows
    /// alone: they are those of its last cut, and what its operators hold is of no more use.
    ///
    /// # Errors
    /// State cannot be gathered into columns.
    pub(in crate::pipeline) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, GenerationError> {
        let mut deltas = match &mut self.circuit {
            Some(circuit) if self.state.steps() => circuit.capture()?,
            _ => Vec::new(),
        };
        let (projection, number) = (&self.id.projection, self.id.number);
        let rows = self.rows.capture()?;
        deltas.extend(rows.map(|delta| (table_store(projection, number), delta)));
        let held = self.held.capture()?;
        let errors = self.circuit.as_mut().map(Circuit::capture_errors).transpose()?.flatten();
        // The stores of an error that is over are let go of with the entry that lists them.
        if self.is_in_error() {
            deltas.extend(held.map(|delta| (held_store(projection, number), delta)));
            deltas.extend(errors.map(|delta| (errors_store(projection, number), delta)));
        }
        Ok(deltas)
    }

    /// What readers may see; none if there are no rows that were ever right.
    pub(in crate::pipeline) fn relation(
        &self,
        parked: BTreeMap<SourceName, BTreeMap<String, u64>>,
        lost: BTreeMap<SourceName, Losses>,
    ) -> Option<Relation> {
        let at = self.right_rows()?;
        let Published { data, cut, live_at_us } = self.rows.published(&at.cut, at.live_at_us);
        let (reads, phase) = (self.definition.reads.clone(), self.phase());
        let (reason, since) = (self.reason().map(str::to_owned), self.since.clone());
        Some(Relation { data, reads, cut, live_at_us, phase, reason, parked, lost, since })
    }

    /// What a checkpoint lists of it, right after a capture.
    ///
    /// # Errors
    /// Columns of an operator cannot be made.
    pub(in crate::pipeline) fn entry(&self) -> Result<GenerationEntry, CircuitError> {
        let operators = match &self.circuit {
            Some(circuit) if self.state.steps() => circuit.stores()?,
            _ => Vec::new(),
        };
        let running = operators.into_iter().map(|operator| {
            let entry =
                OperatorEntry { name: operator.name.to_owned(), prefix: operator.prefix, stores: operator.stores };
            (operator.identity, entry)
        });
        Ok(GenerationEntry {
            generation: self.id.number,
            rows: self.definition.rows,
            positions: self.cut.positions.clone(),
            state: self.state.phase(),
            kind: self.rows.kind().to_owned(),
            key: self.definition.table.key.clone(),
            table: Some(self.rows.shape()),
            operators: running.chain(self.stored_operators.clone()).collect(),
            lost: self.lost.clone(),
            since: self.since.clone(),
            discarded: self.discarded.clone(),
            live_at_us: self.rows_cut.as_ref().map_or(0, |at| at.live_at_us),
            held: self.held_entry(),
            definition: self.definition.text.as_deref().map(str::to_owned),
        })
    }

    fn held_entry(&self) -> Option<HeldEntry> {
        let (in_error, circuit) = (self.in_error.as_ref()?, self.circuit.as_ref()?);
        self.is_in_error().then(|| HeldEntry {
            reason: in_error.reason().to_owned(),
            cut: self.rows_cut.as_ref().map(|at| at.cut.clone()),
            changes: self.held.shape(),
            errors: circuit.errors_shape(),
        })
    }
}
