//! An index as a caller sees it, from whom rows and columns are hidden.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use super::document::encode_row;
use super::permitted::PermittedKeys;
use super::request::{SearchAnswer, SearchError, SearchRequest};
use super::snapshot::SearchSnapshot;
use crate::access::Permit;

impl SearchSnapshot {
    /// Answers as if there were nothing but what the permit lets through: other documents are neither found nor counted, and of a
    /// masked column nothing can be asked.
    ///
    /// # Errors
    /// As [`SearchSnapshot::search`], which knows no masked column.
    pub fn search_as(&self, request: &SearchRequest, permit: &Permit) -> Result<SearchAnswer, SearchError> {
        let without = self.without(permit.masked().collect());
        let mut answer = match self.permitted(permit)? {
            None => without.search(request)?,
            Some(permitted) => without.search_permitted(request, &permitted)?,
        };
        if permit.masked().next().is_some() {
            let seen = permit.over(None).and_then(|all| all.look_at(&answer.rows.project(&all.columns)?));
            answer.rows = seen.map_err(|error| self.internal(error))?;
        }
        Ok(answer)
    }

    /// The keys of the rows that are seen; none where all are.
    fn permitted(&self, permit: &Permit) -> Result<Option<PermittedKeys>, SearchError> {
        if permit.sees_every_row() {
            return Ok(None);
        }
        let mut keys = Vec::new();
        for rows in self.table().permitted(permit, Some(&self.spec().key)).map_err(|error| self.internal(error))? {
            let rows: RecordBatch = rows.map_err(|error| self.internal(error))?;
            let columns: Vec<&ArrayRef> = rows.columns().iter().collect();
            for row in 0..rows.num_rows() {
                keys.push(encode_row(&columns, row).map_err(|error| self.internal(error))?);
            }
        }
        Ok(Some(PermittedKeys::of_encoded(keys)))
    }

    /// The same index, of which nothing can be found out about these columns.
    fn without(&self, hidden: BTreeSet<usize>) -> Self {
        if hidden.is_empty() {
            return self.clone();
        }
        self.with_layout(Arc::new(self.layout.without(&hidden)))
    }
}
