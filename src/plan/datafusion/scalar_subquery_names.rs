//! A subquery of one value that computes the same aggregate as the query around it cannot be planned.
//!
//! `SELECT k, sum(v) / (SELECT sum(v) FROM t) AS share FROM t GROUP BY k`, a share of the total, becomes a join whose sides
//! both have a column `sum(t.v)`, and the rule that makes it fails: "qualified field name … and unqualified field name … would
//! be ambiguous".
//!
//! No upstream issue was found; #20315 is like it. The workaround gives the subquery's column a name of its own. Nothing
//! refers to it by the name that it had.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};

use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};

/// The plan with a name of its own for the value of each subquery that would meet another column of its name.
///
/// # Errors
/// If a subquery cannot be planned with its column under another name.
pub(in crate::plan) fn name_scalar_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut count = 0;
    let named = plan.transform_up_with_subqueries(|node| {
        let met: Vec<String> = node
            .inputs()
            .iter()
            .flat_map(|input| input.schema().fields().iter().map(|field| field.name().clone()))
            .collect();
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let renamed = expr.transform_up(|expr| match expr {
                Expr::ScalarSubquery(subquery) if meets(&subquery, &met) => {
                    count += 1;
                    Ok(Transformed::yes(Expr::ScalarSubquery(under(subquery, &format!("__value_{count}"))?)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(renamed.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(named.data)
}

fn meets(Subquery { subquery, outer_ref_columns, .. }: &Subquery, met: &[String]) -> bool {
    outer_ref_columns.is_empty() && met.contains(subquery.schema().field(0).name())
}

/// The subquery with its column under this name.
fn under(Subquery { subquery, outer_ref_columns, spans }: Subquery, name: &str) -> Result<Subquery> {
    let value = Expr::Column(subquery.schema().qualified_field(0).into()).alias(name);
    let subquery = LogicalPlanBuilder::from(subquery.as_ref().clone()).project([value])?.build()?;
    Ok(Subquery { subquery: Arc::new(subquery), outer_ref_columns, spans })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::datafusion::reproduction::{Reproduction, plain};
    use crate::plan::datafusion::scalar_subquery_as_value::planning_state;
    use datafusion::prelude::SessionContext;

    const QUERY: &str = "SELECT k, sum(v) / (SELECT sum(v) FROM t) AS share FROM t GROUP BY k ORDER BY k";

    #[test]
    fn a_share_of_the_total_cannot_be_planned() {
        let share = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS k, column2 AS v FROM (VALUES ('a', 1e0), ('b', 3e0))",
            query: QUERY,
        };
        let context = SessionContext::new_with_state(planning_state(&plain()));
        let outcome = share.outcome(&context);
        assert!(
            outcome.contains("ambiguous"),
            "{outcome}\nIf that is right now, delete `datafusion/scalar_subquery_names.rs`"
        );
    }

    #[tokio::test]
    async fn its_value_has_a_name_of_its_own() {
        let context = SessionContext::new_with_state(planning_state(&plain()));
        let table = "CREATE TABLE t AS SELECT column1 AS k, column2 AS v FROM (VALUES ('a', 1e0), ('b', 3e0))";
        context.sql(table).await.unwrap().collect().await.unwrap();
        let plan = context.state().create_logical_plan(QUERY).await.unwrap();
        let named = name_scalar_subqueries(plan.clone()).unwrap();
        assert_eq!(named.schema(), plan.schema());
        context.state().optimize(&named).unwrap();
    }
}
