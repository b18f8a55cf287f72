//! Every expression that makes a float makes a canonical one: one NaN, and no -0.0.
//!
//! Events hold none but canonical floats, so with this no column does. Grouping, comparing and keys, which see the bits,
//! then agree with SQL, where zero is zero; and a row that is read back from a table is the row that was put there.
//!
//! And a float is compared with a decimal as a float. DataFusion would make a decimal of 15 places of it, which great
//! floats do not fit and small ones vanish in; every literal with a point is a decimal.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, cast};

use crate::plan::functions::{canonical_float, is_canonical_float};

/// The same plan with every float canonical where it is made, and compared as one.
pub(super) fn canonical_floats(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            let compared = compared(expression, &schema)?;
            let canonical = compared.transform_data(|expression| canonical(expression, &schema))?;
            Ok(canonical.update_data(|expression| name.restore(expression)))
        })
    })
    .map(|transformed| transformed.data)
}

/// Casts decimals that are compared with floats.
fn compared(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expression.transform_up(|mut part| {
        let sides: Vec<&mut Expr> = match &mut part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => vec![left, right],
            Expr::Between(Between { expr, low, high, .. }) => vec![expr, low, high],
            Expr::InList(InList { expr, list, .. }) => std::iter::once(&mut **expr).chain(list).collect(),
            _ => return Ok(Transformed::no(part)),
        };
        let types: Vec<Option<DataType>> = sides.iter().map(|side| data_type(side, schema)).collect();
        let is_decimal = |of: &Option<DataType>| matches!(of, Some(DataType::Decimal128(_, _)));
        if !types.iter().flatten().any(DataType::is_floating) || !types.iter().any(is_decimal) {
            return Ok(Transformed::no(part));
        }
        for (side, _) in sides.into_iter().zip(&types).filter(|(_, of)| is_decimal(of)) {
            *side = cast(std::mem::take(side), DataType::Float64);
        }
        Ok(Transformed::yes(part))
    })
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

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn is_number(data_type: Option<DataType>) -> bool {
    data_type.is_some_and(|data_type| data_type.is_numeric())
}

fn data_type(expression: &Expr, schema: &DFSchema) -> Option<DataType> {
    expression.get_type(schema).ok()
}
