//! Single nodes and expressions of a plan: which they are, whatever surrounds them.

use datafusion::logical_expr::{Expr, TableScan};

use crate::event::metadata;

/// Whether this is a relation of a source: its SQL schema is the source, and it begins with the stream's metadata.
pub(in crate::plan) fn is_events(scan: &TableScan) -> bool {
    let schema = scan.source.schema();
    let begins = |place: usize| schema.fields().get(place).is_some_and(|f| f.name() == metadata::NAMES[place]);
    scan.table_name.schema().is_some() && begins(metadata::SEQ) && begins(metadata::ORD)
}

/// Whether an expression needs more than one row.
pub(in crate::plan) fn is_beyond(expr: &Expr) -> bool {
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
