//! Keys that follow from a query's shape: sets of output columns that no two rows share.

use datafusion::common::Column;
use datafusion::logical_expr::{Distinct, Expr, FetchType, LogicalPlan};

use crate::event::metadata;
use crate::plan::scope::{Scanned, Scope};

/// Unique column sets of a plan's output, as places. An empty set means at most one row.
pub(in crate::plan) fn unique_sets(plan: &LogicalPlan, scope: &Scope) -> Vec<Vec<usize>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let columns: Vec<usize> = match &scan.projection {
                Some(projection) => projection.clone(),
                None => (0..scan.source.schema().fields().len()).collect(),
            };
            let key = match scope.find(&scan.table_name) {
                Some(Scanned::Events { .. }) => vec![metadata::SEQ, metadata::ORD],
                Some(Scanned::Projection { projection, .. }) => projection.key.clone(),
                None => return Vec::new(),
            };
            key.iter()
                .map(|place| columns.iter().position(|column| column == place))
                .collect::<Option<_>>()
                .into_iter()
                .collect()
        }
        LogicalPlan::Filter(filter) => unique_sets(&filter.input, scope),
        LogicalPlan::SubqueryAlias(alias) => unique_sets(&alias.input, scope),
        LogicalPlan::Sort(sort) => unique_sets(&sort.input, scope),
        LogicalPlan::Limit(limit) => {
            let mut sets = unique_sets(&limit.input, scope);
            if matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0..=1)))) {
                sets.push(Vec::new());
            }
            sets
        }
        LogicalPlan::Projection(projection) => {
            let input = projection.input.schema();
            let sources: Vec<Option<usize>> = projection
                .expr
                .iter()
                .map(|expr| column(expr).and_then(|column| input.index_of_column(column).ok()))
                .collect();
            let output = |place: &usize| sources.iter().position(|source| source.as_ref() == Some(place));
            let sets = unique_sets(&projection.input, scope);
            sets.iter().filter_map(|set| set.iter().map(output).collect()).collect()
        }
        LogicalPlan::Aggregate(aggregate) => vec![(0..aggregate.group_expr.len()).collect()],
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let mut sets = unique_sets(input, scope);
            sets.push((0..input.schema().fields().len()).collect());
            sets
        }
        _ => Vec::new(),
    }
}

fn column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column(&alias.expr),
        _ => None,
    }
}
