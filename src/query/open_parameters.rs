//! The types of parameters that the engine leaves open, by where they stand: a list that is searched (`id = ANY ($1)`), a count of rows
//! (`LIMIT $1`), and what is cast (`$1::timestamptz`). PostgreSQL gives them the same ones, and clients send what they are told.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// What `= ANY` and `<> ALL` of a list are planned as.
const SEARCH: &str = "array_has";

/// Settles the types of a plan's parameters of which none is known.
///
/// # Errors
/// If the plan cannot be walked.
pub(super) fn settle(plan: &LogicalPlan, types: &mut HashMap<String, Option<DataType>>) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let counts = matches!(node, LogicalPlan::Limit(_));
        node.apply_expressions(|expr| {
            if let Some(placeholder) = open(expr).filter(|_| counts) {
                is(types, placeholder, DataType::Int64);
            }
            expr.apply(|expr| {
                match expr {
                    Expr::ScalarFunction(call) if call.func.name() == SEARCH => {
                        if let [list, item] = call.args.as_slice()
                            && let (Some(placeholder), Ok(item)) = (open(list), item.get_type(&schema))
                            && item != DataType::Null
                        {
                            is(types, placeholder, DataType::List(Arc::new(Field::new_list_field(item, true))));
                        }
                    }
                    Expr::Cast(cast) => {
                        if let Some(placeholder) = open(&cast.expr) {
                            is(types, placeholder, cast.field.data_type().clone());
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn open(expr: &Expr) -> Option<&Placeholder> {
    match expr {
        Expr::Placeholder(placeholder) if placeholder.field.is_none() => Some(placeholder),
        _ => None,
    }
}

fn is(types: &mut HashMap<String, Option<DataType>>, placeholder: &Placeholder, of: DataType) {
    if let Some(known @ None) = types.get_mut(&placeholder.id) {
        *known = Some(of);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn a_parameter_has_the_type_of_the_place_where_it_stands() {
        let context = SessionContext::new();
        let sql = "SELECT n FROM (VALUES (1, 'a')) AS t (n, id) WHERE id = ANY ($1) AND n <> ALL ($2) \
                   AND CAST($3 AS DATE) > DATE '2024-01-01' AND n = $4 LIMIT $5 OFFSET $6";
        let plan = futures::executor::block_on(context.state().create_logical_plan(sql)).unwrap();
        let mut types = plan.get_parameter_types().unwrap();
        settle(&plan, &mut types).unwrap();
        let list = |item| Some(DataType::List(Arc::new(Field::new_list_field(item, true))));
        for (name, expected) in [
            ("$1", list(DataType::Utf8)),
            ("$2", list(DataType::Int64)),
            ("$3", Some(DataType::Date32)),
            ("$4", Some(DataType::Int64)),
            ("$5", Some(DataType::Int64)),
            ("$6", Some(DataType::Int64)),
        ] {
            assert_eq!(types[name], expected, "{name}");
        }
    }
}
