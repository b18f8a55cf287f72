//! What several circuits need in the same step, made by the first that asks for it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use super::error::{Attributable, CircuitError};
use super::row_errors::FoundErrors;
use super::zset::ZBatch;
use crate::event::{EventBatch, SourceRelation};
use crate::identity::Identity;

/// Of one step of all circuits. It must not outlive that.
#[derive(Debug, Default)]
pub struct Memo {
    /// By source, relation and index in the relation's schema.
    columns: RefCell<HashMap<(String, SourceRelation, usize), ArrayRef>>,
    /// Of nodes that several circuits have, by their number.
    outputs: RefCell<HashMap<usize, Result<ZBatch, Arc<DataFusionError>>>>,
    /// Errors that such nodes have found, by their number.
    errors: RefCell<HashMap<usize, FoundErrors>>,
    /// The events that circuits of one admission reject.
    rejected: RefCell<HashMap<Identity, Vec<Attributable>>>,
}

impl Memo {
    /// Some columns of a relation over all events of the step.
    pub(super) fn relation(
        &self,
        source: &str,
        batch: &EventBatch,
        relation: SourceRelation,
        schema: &SchemaRef,
        projection: &[usize],
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.columns.borrow_mut();
        let made = projection.iter().map(|&index| {
            let key = (source.to_owned(), relation, index);
            if let Some(column) = columns.get(&key) {
                return Ok(column.clone());
            }
            let column = batch.column(relation, schema, index)?;
            columns.insert(key, column.clone());
            Ok(column)
        });
        let made = made.collect::<Result<Vec<_>, ArrowError>>()?;
        batch.relation_of(relation, schema, projection, made)
    }

    /// What came out of a node, or why it failed, if another circuit had its turn before.
    pub(super) fn output(&self, number: Option<usize>) -> Option<Result<ZBatch, CircuitError>> {
        let outputs = self.outputs.borrow();
        let output = outputs.get(&number?)?.as_ref();
        Some(output.cloned().map_err(|error| DataFusionError::Shared(error.clone()).into()))
    }

    pub(super) fn has(&self, number: Option<usize>) -> bool {
        number.is_some_and(|number| self.outputs.borrow().contains_key(&number))
    }

    /// Notes what came out of a node that other circuits have too.
    pub(super) fn keep(
        &self,
        number: Option<usize>,
        output: Result<ZBatch, CircuitError>,
    ) -> Result<ZBatch, CircuitError> {
        let Some(number) = number else { return output };
        let output = output.map_err(|error| Arc::new(error.0));
        self.outputs.borrow_mut().insert(number, output.clone());
        output.map_err(|error| DataFusionError::Shared(error).into())
    }

    /// Notes the errors of a node that other circuits have too.
    pub(super) fn keep_errors(&self, number: usize, errors: FoundErrors) {
        self.errors.borrow_mut().insert(number, errors);
    }

    /// The errors that a node has found in this step, if any.
    pub(super) fn errors(&self, number: usize) -> Option<FoundErrors> {
        self.errors.borrow().get(&number).cloned()
    }

    /// What another circuit of this admission has rejected, if one had its turn before.
    pub(super) fn rejected(&self, admission: Identity) -> Option<Vec<Attributable>> {
        self.rejected.borrow().get(&admission).cloned()
    }

    pub(super) fn reject(&self, admission: Identity, rejected: &[Attributable]) {
        self.rejected.borrow_mut().insert(admission, rejected.to_vec());
    }
}
