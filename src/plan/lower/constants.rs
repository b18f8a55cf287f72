//! Rows that are written in the SQL: `VALUES`, and the one row that a query without FROM is computed over.
//!
//! They are there from the first step on, and never again: as the total over no rows is.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Values;

use super::{Edge, Lowering, columns};
use crate::circuit::{Aggregate, AggregateSpec, Call, Function, Operator, TotalFunction};
use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;

impl Lowering<'_> {
    /// One row without columns.
    pub(super) fn one_row(&mut self, schema: SchemaRef) -> Result<Edge, Refusal> {
        let nothing = self.nothing(Arc::new(Schema::empty()));
        let counted = Arc::new(Schema::new(vec![Field::new("count", DataType::Int64, false)]));
        let operator = Aggregate::new(AggregateSpec {
            groups: Vec::new(),
            calls: vec![Call { function: Function::Total { column: None, total: TotalFunction::Count }, filter: None }],
            totals: vec![Vec::new()],
            input: Arc::new(Schema::empty()),
            schema: counted.clone(),
            append_only: true,
            closing: None,
        })
        .map_err(|error| Refusal::new(Code::NotKept, error.to_string()))?;
        let total = self.stateful(operator.into(), Specification::of("one_row/1"), &[nothing], counted.clone())?;
        let described = DFSchema::try_from(counted.as_ref().clone())?;
        let row = self.map(columns(&[], &described, schema)?, total);
        Ok(Edge { append_only: true, ..row })
    }

    /// No rows.
    pub(super) fn nothing(&mut self, schema: SchemaRef) -> Edge {
        // Of two relations without rows each has its own columns.
        let specification = Specification::of("nothing/2").schema(&schema);
        let node = self.push(Operator::Union, specification, Vec::new(), schema, false);
        Edge { node, append_only: true }
    }

    /// One row a list of values.
    pub(super) fn values(&mut self, values: &Values) -> Result<Edge, Refusal> {
        let (schema, none) = (super::arrow(&values.schema), DFSchema::empty());
        let one = self.one_row(Arc::new(Schema::empty()))?;
        let rows = values.values.iter().map(|row| {
            let row = columns(row, &none, schema.clone())?;
            Ok(self.map(row, one))
        });
        let rows = rows.collect::<Result<Vec<_>, Refusal>>()?;
        Ok(Edge { append_only: true, ..self.union(&rows, schema) })
    }
}
