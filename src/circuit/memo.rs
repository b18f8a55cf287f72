//! What several circuits need in the same step, made by the first that asks for it.

use std::cell::RefCell;
use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::event::{EventBatch, Relation};

/// Of one step of all circuits. It must not outlive that.
#[derive(Debug, Default)]
pub struct Memo {
    /// By source, relation and place in the relation's schema.
    columns: RefCell<HashMap<(String, Relation, usize), ArrayRef>>,
}

impl Memo {
    /// Some columns of a relation over all events of the step.
    pub(super) fn relation(
        &self,
        source: &str,
        batch: &EventBatch,
        relation: Relation,
        schema: &SchemaRef,
        projection: &[usize],
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.columns.borrow_mut();
        let made = projection.iter().map(|&place| {
            let key = (source.to_owned(), relation, place);
            if let Some(column) = columns.get(&key) {
                return Ok(column.clone());
            }
            let column = batch.column(relation, schema, place)?;
            columns.insert(key, column.clone());
            Ok(column)
        });
        let made = made.collect::<Result<Vec<_>, ArrowError>>()?;
        batch.relation_of(relation, schema, projection, made)
    }
}
