//! Which columns of a plan follow from others: the columns of an event from its place in its stream, those of a group from
//! its key. In an order they decide nothing behind these.

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, ExprSchema, JoinType};
use datafusion::logical_expr::{Aggregate, Expr, Join, LogicalPlan, Projection};

use super::nodes::{is_beyond, is_events};
use crate::event::metadata;

/// Rows that are equal in some columns are equal in others too.
#[derive(Debug, Clone)]
pub(in crate::plan) struct Dependency {
    by: Vec<Column>,
    /// Those in `by` too.
    determined: Vec<Column>,
}

impl Dependency {
    /// Whether `column` decides nothing behind `earlier` ones.
    pub(in crate::plan) fn determines(&self, column: &Column, earlier: impl Fn(&Column) -> bool) -> bool {
        self.determined.contains(column) && self.by.iter().all(earlier)
    }

    fn covers(&self, expression: &Expr) -> bool {
        let columns = expression.column_refs();
        expression.exists(|part| Ok(is_beyond(part))).is_ok_and(|is_beyond| !is_beyond)
            && columns.into_iter().all(|column| self.determined.contains(column))
    }
}

/// What is known of a plan's columns.
pub(in crate::plan) fn dependencies(plan: &LogicalPlan) -> Vec<Dependency> {
    match plan {
        LogicalPlan::TableScan(scan) if is_events(scan) => {
            let column = |place: usize| Column::new(Some(scan.table_name.clone()), metadata::NAMES[place]);
            let by = vec![column(metadata::SEQ), column(metadata::ORD)];
            let determined = scan.projected_schema.columns();
            let known = by.iter().all(|column| determined.contains(column));
            known.then_some(Dependency { by, determined }).into_iter().collect()
        }
        LogicalPlan::Filter(filter) => dependencies(&filter.input),
        LogicalPlan::Sort(sort) => dependencies(&sort.input),
        LogicalPlan::Limit(limit) => dependencies(&limit.input),
        LogicalPlan::Window(window) => dependencies(&window.input),
        LogicalPlan::SubqueryAlias(alias) => {
            let renamed = |mut column: Column| {
                column.relation = Some(alias.alias.clone());
                column
            };
            let known = dependencies(&alias.input).into_iter();
            known
                .map(|Dependency { by, determined }| Dependency {
                    by: by.into_iter().map(renamed).collect(),
                    determined: determined.into_iter().map(renamed).collect(),
                })
                .collect()
        }
        LogicalPlan::Projection(projection) => {
            let known = dependencies(&projection.input);
            known.iter().filter_map(|known| through_projection(projection, known)).collect()
        }
        LogicalPlan::Aggregate(aggregate) => of_groups(aggregate).into_iter().collect(),
        LogicalPlan::Join(join) => of_join(join),
        _ => Vec::new(),
    }
}

fn through_projection(projection: &Projection, known: &Dependency) -> Option<Dependency> {
    let output = |expression: &Expr| {
        let (relation, name) = expression.qualified_name();
        Column::new(relation, name)
    };
    let passed = |column: &Column| projection.expr.iter().find(|expression| is_column(expression, column)).map(output);
    let by = known.by.iter().map(passed).collect::<Option<Vec<_>>>()?;
    let determined = projection.expr.iter().filter(|expression| known.covers(expression)).map(output).collect();
    Some(Dependency { by, determined })
}

/// Whether an expression passes a column on, under whatever name.
pub(in crate::plan) fn is_column(expression: &Expr, column: &Column) -> bool {
    match expression {
        Expr::Alias(alias) => is_column(&alias.expr, column),
        Expr::Column(other) => other == column,
        _ => false,
    }
}

/// Of grouping sets, several groups may share a key. A total follows from nothing, which would leave no order at all.
fn of_groups(aggregate: &Aggregate) -> Option<Dependency> {
    if matches!(aggregate.group_expr.as_slice(), [] | [Expr::GroupingSet(_)]) {
        return None;
    }
    let determined = aggregate.schema.columns();
    let by = determined[..aggregate.group_expr.len()].to_vec();
    Some(Dependency { by, determined })
}

/// Rows without a partner have NULLs for it. They are apart from real ones where not all that determines can be NULL.
fn of_join(join: &Join) -> Vec<Dependency> {
    let (pads_left, pads_right) = match join.join_type {
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        _ => (false, false),
    };
    let known = [(&join.left, pads_left), (&join.right, pads_right)].into_iter().flat_map(|(side, pads)| {
        let schema = side.schema();
        let is_set = |column: &Column| schema.field_from_column(column).is_ok_and(|field| !field.is_nullable());
        dependencies(side).into_iter().filter(move |known| !pads || known.by.iter().any(is_set))
    });
    known.filter(|known| known.by.iter().all(|column| join.schema.has_column(column))).collect()
}
