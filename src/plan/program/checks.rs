//! Checks of a projection's declaration against what its SQL gives: contract, fields, indexes, and promises that are not
//! kept yet.

use arrow::datatypes::{DataType, Schema};

use super::Compiled;
use crate::config::Code;
use crate::config::{self, NodePath, Problem, ProjectionKind, SearchKind};
use crate::plan::{ProjectionSchema, Refusal};

/// The declared columns must come out with exactly the declared types.
pub(super) fn contract(projection: &config::Projection, schema: &ProjectionSchema) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, declared) in &projection.columns {
        let refusal = match schema.schema.field_with_name(name) {
            Err(_) => {
                Refusal::new(Code::ColumnNotSelected, format!("the column `{name}` does not come out of the query"))
                    .hint(gives(&schema.schema))
            }
            Ok(field) if *field.data_type() != declared.data_type.to_arrow() => {
                let wanted = declared.data_type.to_arrow();
                Refusal::new(
                    Code::BrokenContract,
                    format!("the column `{name}` comes out as {}, not as {wanted}", field.data_type()),
                )
                .hint("cast it in the query, or declare what comes out")
            }
            Ok(field) if declared.required && field.is_nullable() => {
                Refusal::new(Code::BrokenContract, format!("the column `{name}` can be NULL"))
                    .hint("use coalesce, or drop the `!`")
            }
            Ok(_) => continue,
        };
        problems.push(problem(&projection.node, &format!("/columns/{name}"), refusal));
    }
    problems
}

/// Every field must be a column that comes out and can be what it is declared as, and something must be there to search for.
pub(super) fn search_fields(projection: &config::Projection, compiled: &Compiled) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, field) in &projection.fields {
        let refusal = match compiled.schema.schema.field_with_name(name) {
            Err(_) => Some(
                Refusal::new(Code::ColumnNotSelected, format!("the column `{name}` does not come out of the query"))
                    .hint(gives(&compiled.schema.schema)),
            ),
            Ok(column) => unsearchable(name, field, column.data_type()),
        };
        problems.extend(refusal.map(|refusal| problem(&projection.node, &format!("/fields/{name}"), refusal)));
    }
    let is_searchable = |field: &config::SearchField| !matches!(field.kind, SearchKind::Stored);
    if projection.kind == ProjectionKind::Search && !projection.fields.values().any(is_searchable) {
        let refusal = Refusal::new(Code::NotSearchable, "nothing of this index can be searched for")
            .hint("declare a column as `text`, `keyword` or `vector` in `fields`");
        problems.push(problem(&projection.node, "/fields", refusal));
    }
    problems
}

/// Why a column of this type cannot be what it is declared as.
fn unsearchable(name: &str, field: &config::SearchField, data_type: &DataType) -> Option<Refusal> {
    let (item, is_list) = match data_type {
        DataType::List(item) => (item.data_type(), true),
        other => (other, false),
    };
    let refusal = |reason: &str, hint: &str| {
        Some(Refusal::new(Code::NotSearchable, format!("the column `{name}` is {data_type}, and {reason}")).hint(hint))
    };
    match field.kind {
        SearchKind::Text { .. } if !matches!(item, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            refusal("only strings are text", "use `type: keyword`, or cast it to a string in the query")
        }
        SearchKind::Keyword if item.is_nested() => {
            refusal("a keyword is one value", "take a field or an element of it in the query")
        }
        SearchKind::Vector { .. } if !(is_list && matches!(item, DataType::Float32 | DataType::Float64)) => refusal(
            "a vector is a list of floats",
            "declare it as `list<float32>` in the source, or cast it in the query: `CAST(x AS REAL[])`",
        ),
        _ if field.sort && (is_list || item.is_nested()) => {
            refusal("nothing can be sorted by it", "take an element of it in the query, or leave `sort` out")
        }
        _ => None,
    }
}

/// The columns of each secondary index, by their indices in the output.
pub(super) fn index_columns(
    projection: &config::Projection,
    compiled: &Compiled,
    problems: &mut Vec<Problem>,
) -> Vec<Vec<usize>> {
    let mut indexes = Vec::new();
    for (number, columns) in projection.indexes.iter().enumerate() {
        let mut index_columns = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            match compiled.schema.schema.index_of(column) {
                Ok(index) => index_columns.push(index),
                Err(_) => {
                    let refusal = Refusal::new(
                        Code::ColumnNotSelected,
                        format!("the column `{column}` does not come out of the query"),
                    );
                    let pointer = format!("/indexes/{number}/{at}");
                    problems.push(problem(&projection.node, &pointer, refusal.hint(gives(&compiled.schema.schema))));
                }
            }
        }
        indexes.push(index_columns);
    }
    indexes
}

/// The columns that come out, for a hint.
pub(super) fn gives(schema: &Schema) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    format!("the query gives {}", names.join(", "))
}

/// A refusal as a problem of the configuration, `below` the node of its projection.
pub(super) fn problem(node: &NodePath, below: &str, refusal: Refusal) -> Problem {
    Problem {
        code: refusal.code,
        node: node.below(below),
        within: refusal.span,
        message: refusal.message,
        hint: refusal.hint,
    }
}
