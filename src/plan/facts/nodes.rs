//! Single nodes and expressions of a plan: which they are, whatever surrounds them.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, TableScan};

use crate::event::metadata;

/// Whether this is a relation of a source: its SQL schema is the source, and it begins with the stream's metadata.
pub(in crate::plan) fn is_events(scan: &TableScan) -> bool {
    let schema = scan.source.schema();
    let begins = |index: usize| schema.fields().get(index).is_some_and(|f| f.name() == metadata::NAMES[index]);
    scan.table_name.schema().is_some() && begins(metadata::SEQ) && begins(metadata::ORD)
}

/// Whether an expression needs more than one row.
pub(in crate::plan) fn needs_several_rows(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::GroupingSet(_)
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(_, _)
    )
}

/// The column that an expression passes on, under whatever name.
pub(in crate::plan) fn plain_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain_column(&alias.expr),
        _ => None,
    }
}
