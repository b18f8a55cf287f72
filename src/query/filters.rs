//! Filters of a listing: `column=value` and `column.operation=value`, read strictly to the column's type.
//!
//! Values become literals of a plan, never SQL text.

use arrow::datatypes::{Field, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, lit};

use super::{QueryError, did_you_mean, values};
use crate::event::JSON_MARK;

/// Longest list of `.in`.
const IN_MAX: usize = 1000;

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

const OPERATIONS: [(&str, Operation); 8] = [
    ("eq", Operation::Eq),
    ("ne", Operation::Ne),
    ("lt", Operation::Lt),
    ("lte", Operation::Lte),
    ("gt", Operation::Gt),
    ("gte", Operation::Gte),
    ("in", Operation::In),
    ("isnull", Operation::IsNull),
];

/// One condition; all of a request hold together. A NULL satisfies none but `isnull=true`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The column's place in the schema.
    pub column: usize,
    pub operation: Operation,
    /// One value; several for `in`; a bool for `isnull`.
    pub values: Vec<ScalarValue>,
}

impl Filter {
    /// Reads one parameter.
    pub fn parse(key: &str, text: &str, schema: &Schema) -> Result<Self, QueryError> {
        let (column, operation) = column_and_operation(key, schema)?;
        let field = schema.field(column);
        let wrong = |error: String| QueryError::invalid(format!("`{key}`: {error}"));
        let values = match operation {
            Operation::IsNull => vec![values::parse(text, &arrow::datatypes::DataType::Boolean).map_err(wrong)?],
            _ if !is_comparable(field) => {
                let kind = if field.metadata().contains_key(JSON_MARK) { "json" } else { "composite" };
                return Err(wrong(format!("a {kind} column can only be tested with isnull"))
                    .hint("project the part to filter by as a column of its own"));
            }
            Operation::In => {
                let items = split(text);
                if items.len() > IN_MAX {
                    return Err(wrong(format!("more than {IN_MAX} values")));
                }
                let items = items.iter().map(|item| values::parse(item, field.data_type()));
                items.collect::<Result<_, _>>().map_err(wrong)?
            }
            _ => vec![values::parse(text, field.data_type()).map_err(wrong)?],
        };
        Ok(Filter { column, operation, values })
    }

    /// Whether an index could serve it.
    pub fn is_equality(&self) -> bool {
        matches!(self.operation, Operation::Eq | Operation::In)
    }

    pub fn to_expr(&self, schema: &Schema) -> Expr {
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

/// The column at a place, by its exact name: nothing in it is parsed.
pub(super) fn column(schema: &Schema, place: usize) -> Expr {
    Expr::Column(Column::new_unqualified(schema.field(place).name()))
}

/// Whether a column can be filtered and sorted by.
pub(super) fn is_comparable(field: &Field) -> bool {
    values::is_scalar(field.data_type()) && !field.metadata().contains_key(JSON_MARK)
}

/// The place of a column, or what is wrong with its name.
pub(super) fn find(name: &str, schema: &Schema) -> Result<usize, QueryError> {
    schema.index_of(name).map_err(|_| {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let error = QueryError::invalid(format!("there is no column `{name}`"));
        match did_you_mean(name, names.clone()) {
            Some(meant) => error.near(Some(meant)),
            None => error.hint(format!("the columns are {}", names.collect::<Vec<_>>().join(", "))),
        }
    })
}

fn column_and_operation(key: &str, schema: &Schema) -> Result<(usize, Operation), QueryError> {
    // A column's name may itself contain a dot.
    if let Ok(column) = schema.index_of(key) {
        return Ok((column, Operation::Eq));
    }
    let Some((name, suffix)) = key.rsplit_once('.') else { return Ok((find(key, schema)?, Operation::Eq)) };
    let column = find(name, schema)?;
    match OPERATIONS.iter().find(|(label, _)| *label == suffix) {
        Some((_, operation)) => Ok((column, *operation)),
        None => {
            let labels = OPERATIONS.map(|(label, _)| label);
            Err(QueryError::invalid(format!("`{key}`: there is no operation `{suffix}`"))
                .hint(format!("the operations are {}", labels.join(", "))))
        }
    }
}

/// Splits at commas; a backslash before a comma or a backslash takes it as it is.
fn split(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = if char == '\\' { chars.next_if(|next| matches!(next, ',' | '\\')) } else { None };
        match (char, escaped) {
            (',', _) => items.push(String::new()),
            (char, escaped) => {
                if let Some(last) = items.last_mut() {
                    last.push(escaped.unwrap_or(char));
                }
            }
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_splits_at_commas_that_are_not_escaped() {
        assert_eq!(split(r"A,B\,C,\\,\d,"), ["A", "B,C", r"\", r"\d", ""]);
    }
}
