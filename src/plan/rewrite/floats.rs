//! Every expression that makes a float makes a canonical one: one NaN, and no -0.0.
//!
//! Events hold none but canonical floats, so with this no column does. Grouping, comparing and keys, which see the bits,
//! then agree with SQL, where zero is zero; and a row that is read back from a table is the row that was put there.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use crate::plan::functions::{canonical_float, is_canonical_float};

/// The same plan with every float canonical where it is made.
pub(super) fn canonical_floats(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            Ok(canonical(expression, &schema)?.update_data(|expression| name.restore(expression)))
        })
    })
    .map(|transformed| transformed.data)
}

fn canonical(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expression.transform_up(|part| match makes_float(&part, schema) {
        true => Ok(Transformed::yes(canonical_float(part))),
        false => Ok(Transformed::no(part)),
    })
}

fn makes_float(expression: &Expr, schema: &DFSchema) -> bool {
    let is_float = |expression: &Expr| matches!(data_type(expression, schema), Some(of) if of.is_floating());
    match expression {
        Expr::BinaryExpr(binary) => is_arithmetic(binary.op) && is_float(expression),
        Expr::Negative(_) => is_float(expression),
        Expr::ScalarFunction(call) => !is_canonical_float(&call.func) && is_float(expression),
        // Only text can say -0.
        Expr::Cast(cast) => !is_number(data_type(&cast.expr, schema)) && is_float(expression),
        Expr::TryCast(cast) => !is_number(data_type(&cast.expr, schema)) && is_float(expression),
        _ => false,
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
}

fn is_number(data_type: Option<DataType>) -> bool {
    data_type.is_some_and(|data_type| data_type.is_numeric())
}

fn data_type(expression: &Expr, schema: &DFSchema) -> Option<DataType> {
    expression.get_type(schema).ok()
}
