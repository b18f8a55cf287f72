//! Expressions and schemas of a plan as the operators need them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::config::Code;
use crate::plan::Refusal;

/// Expressions that can be evaluated on batches.
pub(in crate::plan) fn physical(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<Arc<dyn PhysicalExpr>>, Refusal> {
    if exprs.iter().any(has_subquery) {
        return Err(no_subqueries());
    }
    let properties = ExecutionProps::new();
    exprs
        .iter()
        .map(|expr| create_physical_expr(expr, schema, &properties, &Default::default()))
        .map(|expr| expr.map_err(|error| Refusal::from_datafusion(&error)))
        .collect()
}

/// A subquery that the optimizer could not turn into a join.
fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |expr: &Expr| Ok(matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)));
    // The closure never fails.
    expr.exists(is_subquery).unwrap_or(true)
}

pub(super) fn no_subqueries() -> Refusal {
    Refusal::new(Code::NotKept, "this subquery cannot be kept incrementally")
        .hint("write it as a join with an aggregate, or make the subquery a projection of its own")
}

/// An Arrow schema with the plan's column names, unqualified.
pub(in crate::plan) fn arrow(schema: &DFSchema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().clone()))
}

/// Whether a type can be grouped by, ordered by or counted.
pub(in crate::plan) fn is_sortable(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Union(_, _) | DataType::RunEndEncoded(_, _) | DataType::Dictionary(_, _))
}
