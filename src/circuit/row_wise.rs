//! The half of a step that works on single rows of events, without state: it decides which events a circuit takes.
//!
//! If it fails, the events are bisected until the ones that fail alone are found, and those are rejected.

use datafusion::common::DataFusionError;

use super::error::{Attributable, CircuitError};
use super::graph::{Circuit, Node, StepInput};
use super::memo::Memo;
use super::operator::Operator;
use super::zset::ZBatch;
use crate::event::EventBatch;

/// Which events of a step are evaluated.
#[derive(Debug, Clone, Copy)]
enum EventRange<'a> {
    /// All of a source's, which other circuits read too.
    Whole(&'a Memo),
    /// Some, from this index on.
    From(usize),
}

impl EventRange<'_> {
    fn offset(self) -> usize {
        match self {
            EventRange::Whole(_) => 0,
            EventRange::From(offset) => offset,
        }
    }
}

/// A run of events that failed in the operator at this index.
struct FailedRun {
    index: usize,
    error: CircuitError,
}

impl Circuit {
    /// Evaluates the row-wise nodes that are needed over all events that none of them rejects, and gives the others.
    pub(super) fn admit(
        &self,
        input: &StepInput<'_>,
        memo: &Memo,
        needed: &[bool],
        outputs: &mut [Option<ZBatch>],
    ) -> Result<Vec<Attributable>, CircuitError> {
        let mut rejected = Vec::new();
        let mut parts: Vec<Vec<ZBatch>> = self.nodes.iter().map(|_| Vec::new()).collect();
        for (source, batch) in &input.events {
            self.row_wise(source, batch, EventRange::Whole(memo), needed, &mut parts, &mut rejected)?;
        }
        memo.reject(self.admission, &rejected);
        for (index, parts) in parts.into_iter().enumerate().filter(|(index, _)| needed[*index]) {
            let node = &self.nodes[index];
            if node.row_wise {
                let whole = match <[ZBatch; 1]>::try_from(parts) {
                    Ok([only]) => Ok(only),
                    Err(parts) => ZBatch::concat(&node.schema, &parts).map_err(CircuitError::from),
                };
                outputs[index] = Some(memo.keep(self.node_facts[index].shared, whole)?);
            }
        }
        Ok(rejected)
    }

    /// Evaluates over a run of events, halving it when it fails.
    fn row_wise(
        &self,
        source: &str,
        batch: &EventBatch,
        run: EventRange<'_>,
        needed: &[bool],
        parts: &mut [Vec<ZBatch>],
        rejected: &mut Vec<Attributable>,
    ) -> Result<(), CircuitError> {
        match self.row_wise_once(source, batch, run, needed) {
            Ok(outputs) => {
                for (parts, output) in parts.iter_mut().zip(outputs) {
                    parts.extend(output);
                }
            }
            // Other circuits have this operator, or rely on it not to reject anything, and so on all events.
            Err(FailedRun { index, error }) if batch.is_empty() || !self.fallible[index] => return Err(error),
            Err(FailedRun { error, .. }) if batch.len() == 1 => {
                let message = error.to_string();
                rejected.push(Attributable { source: source.to_owned(), row: run.offset(), message });
            }
            Err(_) => {
                let (half, start) = (batch.len() / 2, run.offset());
                self.row_wise(source, &batch.slice(0, half), EventRange::From(start), needed, parts, rejected)?;
                let rest = batch.slice(half, batch.len() - half);
                self.row_wise(source, &rest, EventRange::From(start + half), needed, parts, rejected)?;
            }
        }
        Ok(())
    }

    /// The outputs of the row-wise nodes; none for the others and for those that do not read this source.
    fn row_wise_once(
        &self,
        source: &str,
        batch: &EventBatch,
        run: EventRange<'_>,
        needed: &[bool],
    ) -> Result<Vec<Option<ZBatch>>, FailedRun> {
        let mut outputs: Vec<Option<ZBatch>> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let output = match &node.operator {
                _ if !node.row_wise || !needed[index] => Ok(None),
                Operator::Events { source: name, .. } if name != source => Ok(None),
                Operator::Events { relation, schema, columns, .. } => {
                    let rows = match run {
                        EventRange::Whole(memo) => memo.relation(source, batch, *relation, schema, columns),
                        EventRange::From(_) => batch.relation(*relation, schema, columns),
                    };
                    rows.map(|rows| Some(ZBatch::inserts(rows))).map_err(CircuitError::from)
                }
                operator => {
                    let inputs: Vec<&ZBatch> =
                        node.inputs.iter().filter_map(|&input| outputs[input].as_ref()).collect();
                    if inputs.is_empty() { Ok(None) } else { operator.pass(&inputs, &node.schema).map(Some) }
                }
            };
            outputs.push(output.map_err(|error| FailedRun { index, error })?);
        }
        Ok(outputs)
    }

    /// A scan of events whose rejection another circuit has found out.
    pub(super) fn admitted(
        &self,
        index: usize,
        input: &StepInput<'_>,
        memo: &Memo,
        rejected: &[Attributable],
    ) -> Result<ZBatch, CircuitError> {
        let Node { operator: Operator::Events { source, relation, schema, columns }, schema: projected, .. } =
            &self.nodes[index]
        else {
            return Err(DataFusionError::Internal("only events are admitted".into()).into());
        };
        let Some((_, batch)) = input.events.iter().find(|(name, _)| name == source) else {
            return Ok(ZBatch::empty(projected.clone()));
        };
        let rejected: Vec<usize> = rejected.iter().filter(|one| one.source == *source).map(|one| one.row).collect();
        if rejected.is_empty() {
            return Ok(ZBatch::inserts(memo.relation(source, batch, *relation, schema, columns)?));
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        for end in rejected.into_iter().chain([batch.len()]) {
            parts.push(ZBatch::inserts(batch.slice(start, end - start).relation(*relation, schema, columns)?));
            start = end + 1;
        }
        Ok(ZBatch::concat(projected, &parts)?)
    }
}
