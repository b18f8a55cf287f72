//! Expressions as they read one node further down a plan.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// An expression over the columns of a projection or an alias, over the columns of its input instead. None for any
/// other node.
pub(in crate::plan) fn below(expr: &Expr, node: &LogicalPlan) -> Option<Expr> {
    let computed = match node {
        LogicalPlan::Projection(projection) => projection.expr.clone(),
        LogicalPlan::SubqueryAlias(alias) => alias.input.schema().columns().into_iter().map(Expr::Column).collect(),
        _ => return None,
    };
    let replaced = expr.clone().transform(|expr| match &expr {
        Expr::Column(column) => {
            let index = node.schema().index_of_column(column)?;
            Ok(Transformed::yes(computed[index].clone().unalias_nested().data))
        }
        _ => Ok(Transformed::no(expr)),
    });
    replaced.ok().map(|replaced| replaced.data)
}
