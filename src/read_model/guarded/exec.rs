//! The step of a plan in which a permit looks at rows, before any expression of a reader's.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::StreamExt;

use crate::access::Permitted;

/// A leaf that is a kept relation shows nothing below it, also where a plan is run to be explained: what is read there counts what is
/// hidden. A plan below it is shown: its own leaves hide theirs.
///
/// A filter above cannot become one with the permit's conditions, because this node takes none.
#[derive(Debug)]
pub(super) struct GuardedExec {
    relation: Arc<str>,
    behind: Arc<dyn ExecutionPlan>,
    permitted: Permitted,
    policies: Arc<[String]>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GuardedExec {
    pub(super) fn new(
        relation: &Arc<str>,
        behind: Arc<dyn ExecutionPlan>,
        permitted: Permitted,
        policies: &[String],
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(permitted.schema.clone()),
            datafusion::physical_plan::Partitioning::UnknownPartitioning(
                behind.properties().partitioning.partition_count(),
            ),
            behind.properties().emission_type,
            behind.properties().boundedness,
        );
        let properties = properties.with_scheduling_type(behind.properties().scheduling_type);
        Self {
            relation: relation.clone(),
            behind,
            permitted,
            policies: policies.into(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for GuardedExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies = self.policies.join(", ");
        match kind {
            DisplayFormatType::TreeRender => writeln!(f, "relation={}\npolicies={policies}", self.relation),
            _ => write!(f, "PermittedRows: {}, policies=[{policies}]", self.relation),
        }
    }
}

impl ExecutionPlan for GuardedExec {
    fn name(&self) -> &'static str {
        "PermittedRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        if self.behind.children().is_empty() { Vec::new() } else { vec![&self.behind] }
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match children.pop() {
            None => Ok(self),
            Some(behind) => Ok(Arc::new(Self::new(&self.relation, behind, self.permitted.clone(), &self.policies))),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        // Nothing else is measured: how long it takes tells whether there was something to look at.
        let output_rows = MetricBuilder::new(&self.metrics).output_rows(partition);
        let permitted = self.permitted.clone();
        let seen = self.behind.execute(partition, context)?.filter_map(move |rows| {
            let seen = rows.and_then(|rows| permitted.look_at(&rows));
            let seen = match seen {
                Ok(seen) if seen.num_rows() == 0 => None,
                seen => Some(seen),
            };
            if let Some(Ok(seen)) = &seen {
                output_rows.add(seen.num_rows());
            }
            std::future::ready(seen)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), seen)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> SchemaRef {
        self.permitted.schema.clone()
    }
}
