//! A physical rule against claims that are not true: DataFusion takes a column for constant, or equal to another, above
//! an outer join that pads it with NULL, and above grouping sets that leave it out. Sorts and groups by such columns then
//! go missing. And it takes the keys of grouping sets for constant within every group, so that `first_value` ordered by
//! one of them goes by whatever order the rows have.
//!
//! What comes out of joins and grouping sets is passed through a node that claims nothing, and the keys of grouping sets are
//! wrapped. It costs a sort now and then.

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

/// Passes rows on.
#[derive(Debug)]
struct PropertyFence {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl PropertyFence {
    fn over(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, properties: Arc::new(properties) }
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
            (Some(input), true) => Ok(Arc::new(Self::over(input))),
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
