//! Filters of a listing, typed: a column, an operation and values of the column's type.
//!
//! Values become literals of a plan, never SQL text. How a protocol writes a filter is its own.

use arrow::datatypes::{Field, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, lit};

use super::{QueryError, did_you_mean, values};
use crate::event::JSON_MARK;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    IsNull,
}

/// One condition; all of a request hold together. A NULL satisfies none but `isnull=true`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The column's index in the schema.
    pub column: usize,
    pub operation: Operation,
    /// One value; several for `in`; a bool for `isnull`.
    pub values: Vec<ScalarValue>,
}

impl Filter {
    /// Whether an index could serve it.
    pub(super) fn is_equality(&self) -> bool {
        matches!(self.operation, Operation::Eq | Operation::In)
    }

    pub(super) fn to_expr(&self, schema: &Schema) -> Expr {
        let column = column(schema, self.column);
        let value = || lit(self.values.first().cloned().unwrap_or(ScalarValue::Null));
        match self.operation {
            Operation::Eq => column.eq(value()),
            Operation::Ne => column.not_eq(value()),
            Operation::Lt => column.lt(value()),
            Operation::Lte => column.lt_eq(value()),
            Operation::Gt => column.gt(value()),
            Operation::Gte => column.gt_eq(value()),
            Operation::In => column.in_list(self.values.iter().cloned().map(lit).collect(), false),
            Operation::IsNull if self.values.contains(&ScalarValue::Boolean(Some(false))) => column.is_not_null(),
            Operation::IsNull => column.is_null(),
        }
    }

    /// For the fingerprint of a page token.
    pub(super) fn canonical(&self, schema: &Schema) -> String {
        let values: Vec<_> = self.values.iter().map(values::format).collect();
        format!("{}.{:?}={values:?}", schema.field(self.column).name(), self.operation)
    }
}

/// The column of an index, by its exact name: nothing in it is parsed.
pub(super) fn column(schema: &Schema, index: usize) -> Expr {
    Expr::Column(Column::new_unqualified(schema.field(index).name()))
}

/// Whether a column can be filtered by more than being NULL, and sorted by.
pub fn is_comparable(field: &Field) -> bool {
    values::is_scalar(field.data_type()) && !field.metadata().contains_key(JSON_MARK)
}

/// The index of a column.
///
/// # Errors
/// Where the schema has no column of this name; it names the one that was probably meant.
pub fn find_column(name: &str, schema: &Schema) -> Result<usize, QueryError> {
    schema.index_of(name).map_err(|_| {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let error = QueryError::invalid(format!("there is no column `{name}`"));
        match did_you_mean(name, names.clone()) {
            Some(meant) => error.near(Some(meant)),
            None => error.hint(format!("the columns are {}", names.collect::<Vec<_>>().join(", "))),
        }
    })
}
