//! Every expression of a plan is computed over rows of typed samples before the plan is accepted (`sql/samples.rs`).

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::physical_planner::create_window_expr;

use super::Refusal;
use crate::config::Code;
use crate::sql::{NeverComputed, Samples, cause, in_words};

/// Checks the expressions of an optimised plan, and the functions and casts within them, as in branches that no sample reaches.
///
/// # Errors
/// The first expression that cannot be computed of any row.
pub(super) fn check_expressions(plan: &LogicalPlan, state: &SessionState) -> Result<(), Refusal> {
    let mut refusal = None;
    plan.apply_with_subqueries(|node| {
        let schema = match node {
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            _ => merge_schema(&node.inputs()),
        };
        // Types without a sample are no event's.
        let Ok(samples) = Samples::of(schema.as_arrow()) else { return Ok(TreeNodeRecursion::Continue) };
        let check = Check { samples, schema, state };
        node.apply_expressions(|expression| {
            refusal = check.expression(expression)?;
            Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    refusal.map_or(Ok(()), Err)
}

struct Check<'a> {
    samples: Samples,
    schema: DFSchema,
    state: &'a SessionState,
}

impl Check<'_> {
    fn expression(&self, expression: &Expr) -> Result<Option<Refusal>> {
        let mut whole = expression;
        while let Expr::Alias(alias) = whole {
            whole = &alias.expr;
        }
        let mut refusal = None;
        whole.apply(|part| {
            if std::ptr::eq(part, whole) || may_always_fail(part) {
                refusal = self.part(part);
            }
            Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        Ok(refusal)
    }

    /// What has no value of its own, such as an aggregate, is not one that can be computed of a row.
    fn part(&self, part: &Expr) -> Option<Refusal> {
        let planned = part.get_type(&self.schema).ok()?;
        let checked = match part {
            Expr::WindowFunction(_) => self.window(part, &planned),
            _ => {
                let physical = self.state.create_physical_expr(part.clone(), &self.schema).ok()?;
                self.samples.check(physical.as_ref(), &planned)
            }
        };
        let never = checked.err()?;
        let named = match part {
            // All of its window would hide what is wrong.
            Expr::WindowFunction(call) => format!("{}(…)", call.fun.name()),
            part => in_words(part),
        };
        Some(Refusal::new(Code::NeverComputed, format!("`{named}` {never}")).hint(never.hint()))
    }

    /// Over partitions of one row. Whether the arguments are literals where a function asks for them is seen when it is planned.
    fn window(&self, part: &Expr, planned: &DataType) -> Result<(), NeverComputed> {
        let window = create_window_expr(part, &self.schema, self.state.execution_props(), &Default::default());
        let window = window.map_err(|error| NeverComputed::Fails(cause(&error)))?;
        self.samples.check_with(planned, |row| window.evaluate(row))
    }
}

/// Whether an expression of this kind may be planned and fail for every row.
fn may_always_fail(part: &Expr) -> bool {
    matches!(part, Expr::ScalarFunction(_) | Expr::HigherOrderFunction(_) | Expr::Cast(_) | Expr::TryCast(_))
}
