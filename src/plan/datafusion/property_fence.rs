//! Physical plans claim properties of their rows that are not true.
//!
//! A column is taken for constant, or equal to another, above an outer join that pads it with NULL, and above grouping
//! sets that leave it out. Sorts and groups by such columns then go missing: `SELECT n, one FROM a LEFT JOIN (SELECT n, 1 AS
//! one FROM b) … ORDER BY one` is not sorted. And the keys of grouping sets are taken for constant within every group, so
//! that `first_value` ordered by one of them goes by whatever order the rows have.
//!
//! No upstream issue was found; #25052 and #24421 are other false claims of joins and of grouping sets. The workaround is a
//! physical rule: what comes out of joins and grouping sets is passed through a node that claims nothing, and the keys of
//! grouping sets are wrapped. It costs a sort now and then.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, PhysicalGroupBy};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties, Statistics,
};

use super::opaque::opaque;

/// To be run before all rules that rely on such claims.
#[derive(Debug)]
pub(super) struct FenceProperties;

impl PhysicalOptimizerRule for FenceProperties {
    fn name(&self) -> &str {
        "fence_properties"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let fenced = plan.transform_up(|node| {
            // Of joins it is not asked which are outer ones.
            if node.name().ends_with("JoinExec") {
                return Ok(Transformed::yes(fence(node)));
            }
            match node.downcast_ref::<AggregateExec>() {
                Some(sets) if sets.group_expr().has_grouping_set() => {
                    Ok(Transformed::yes(fence(Arc::new(by_opaque_keys(sets)?))))
                }
                _ => Ok(Transformed::no(node)),
            }
        });
        fenced.data()
    }
}

fn fence(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    Arc::new(PropertyFence::over(plan))
}

/// The same aggregate by keys that are not known to be columns of its input.
fn by_opaque_keys(aggregate: &AggregateExec) -> Result<AggregateExec> {
    let (sets, input) = (aggregate.group_expr(), aggregate.input());
    let function = Arc::new(opaque());
    let options = Arc::new(ConfigOptions::default());
    let keys = sets.expr().iter().map(|(key, name)| {
        let arguments = vec![key.clone()];
        let key = ScalarFunctionExpr::try_new(function.clone(), arguments, &input.schema(), options.clone())?;
        Ok((Arc::new(key) as Arc<dyn PhysicalExpr>, name.clone()))
    });
    let keys = keys.collect::<Result<Vec<_>>>()?;
    AggregateExec::try_new(
        *aggregate.mode(),
        PhysicalGroupBy::new(keys, sets.null_expr().to_vec(), sets.groups().to_vec(), true),
        aggregate.aggr_expr().to_vec(),
        aggregate.filter_expr().to_vec(),
        input.clone(),
        aggregate.input_schema(),
    )
}

/// Passes rows on. No sort is pushed through it.
#[derive(Debug)]
pub(super) struct PropertyFence {
    input: Arc<dyn ExecutionPlan>,
    /// Whether it claims of its rows what its input claims.
    claims: bool,
    properties: Arc<PlanProperties>,
}

impl PropertyFence {
    /// A fence that claims nothing of its rows.
    fn over(input: Arc<dyn ExecutionPlan>) -> Self {
        Self::new(input, false)
    }

    /// A fence that keeps its input's order.
    pub(super) fn in_order(input: Arc<dyn ExecutionPlan>) -> Self {
        Self::new(input, true)
    }

    fn new(input: Arc<dyn ExecutionPlan>, claims: bool) -> Self {
        let known = match claims {
            true => input.equivalence_properties().clone(),
            false => EquivalenceProperties::new(input.schema()),
        };
        let properties = PlanProperties::new(
            known,
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, claims, properties: Arc::new(properties) }
    }
}

impl DisplayAs for PropertyFence {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for PropertyFence {
    fn name(&self) -> &'static str {
        "PropertyFence"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, self.claims))),
            _ => Err(DataFusionError::Internal(format!("{} has one child", self.name()))),
        }
    }

    // Joins are put in order by them.
    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs[0].clone())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const WORKAROUND: &str = "and so are the other tests here, delete `datafusion/property_fence.rs`";

    #[test]
    fn a_constant_that_an_outer_join_pads_is_not_sorted_by() {
        let padded = Reproduction {
            tables: "CREATE TABLE a AS SELECT column1 AS n FROM (VALUES (1), (2)); CREATE TABLE b AS SELECT 1 AS n",
            query: "SELECT a.n, one FROM a LEFT JOIN (SELECT n, 1 AS one FROM b) AS b ON a.n = b.n \
                    ORDER BY one NULLS FIRST, a.n",
        };
        padded.is_wrong("1, 1\n2, NULL", WORKAROUND);
        padded.is_mended("2, NULL\n1, 1");
    }

    #[test]
    fn a_constant_that_a_grouping_set_leaves_out_is_not_grouped_by() {
        let constant = Reproduction {
            tables: "CREATE TABLE a AS SELECT 1 AS n",
            query: "SELECT c, count(*) AS rows FROM (SELECT 1 AS c, n FROM a UNION ALL SELECT 1 AS c, n FROM a) \
                    GROUP BY CUBE (c) ORDER BY c, rows",
        };
        constant.is_wrong("1, 1\n1, 1\nNULL, 2", WORKAROUND);
        constant.is_mended("1, 2\nNULL, 2");
    }

    #[test]
    fn a_sorted_key_that_a_grouping_set_leaves_out_is_not_sorted_by() {
        let sorted = Reproduction {
            tables: "CREATE TABLE a AS SELECT column1 AS n FROM (VALUES (1), (2))",
            query: "SELECT n, count(*) AS c FROM (SELECT n FROM a ORDER BY n LIMIT 9) GROUP BY ROLLUP (n) ORDER BY n",
        };
        sorted.is_wrong("NULL, 2\n1, 1\n2, 1", WORKAROUND);
        sorted.is_mended("1, 1\n2, 1\nNULL, 2");
    }

    #[test]
    fn a_key_of_grouping_sets_is_constant_in_no_total() {
        // Booleans have no accumulator for many groups, which would sort by itself.
        let first = Reproduction {
            tables: "CREATE TABLE a AS SELECT column1 AS n FROM (VALUES (1), (2))",
            query: "SELECT f FROM (SELECT n, first_value(b ORDER BY n DESC) AS f \
                    FROM (SELECT n, n > 1 AS b FROM a ORDER BY n LIMIT 9) GROUP BY GROUPING SETS ((n), ())) WHERE n IS NULL",
        };
        first.is_wrong("false", WORKAROUND);
        first.is_mended("true");
    }
}
