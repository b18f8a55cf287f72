//! The physical plan that streams the rows of a snapshot. Nothing is copied before it is asked for.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};

use super::TableSpec;
use super::access::Access;
use super::reader::SegmentReader;
use super::snapshot::TableSnapshot;

/// Whole scans of more rows than this are split among partitions.
const PARTITION_ROWS: usize = 262_144;

#[derive(Debug, Clone)]
pub(super) struct ScanExec {
    spec: Arc<TableSpec>,
    snapshot: TableSnapshot,
    access: Arc<Access>,
    /// What the access does not answer, over all columns.
    filter: Option<Arc<dyn PhysicalExpr>>,
    columns: Arc<[usize]>,
    partitions: Vec<Range<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ScanExec {
    pub(super) fn new(
        snapshot: &TableSnapshot,
        access: Access,
        filter: Option<Arc<dyn PhysicalExpr>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        target_partitions: usize,
    ) -> Result<Self, DataFusionError> {
        let spec = snapshot.spec().clone();
        let all: Vec<usize> = (0..spec.schema.fields().len()).collect();
        let columns: Arc<[usize]> = projection.unwrap_or(&all).as_slice().into();
        let schema = Arc::new(spec.schema.project(&columns)?);
        let whole = matches!(access, Access::All);
        let partitions = partitions(snapshot, if whole { target_partitions } else { 1 });
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            spec,
            snapshot: snapshot.clone(),
            access: Arc::new(access),
            filter,
            columns,
            partitions,
            limit,
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn read(&self, partition: usize) -> impl Iterator<Item = Result<RecordBatch, DataFusionError>> + Send + use<> {
        let (filter, columns, schema) = (self.filter.clone(), self.columns.clone(), self.schema());
        let (read_columns, read_schema): (Arc<[usize]>, SchemaRef) = match filter {
            // The filter may need columns that are not asked for.
            Some(_) => ((0..self.spec.schema.fields().len()).collect(), self.spec.schema.clone()),
            None => (columns.clone(), schema),
        };
        let segments = self.partitions[partition].clone();
        let reader =
            SegmentReader::new(self.snapshot.views.clone(), segments, self.access.clone(), read_columns, read_schema);
        let kept = reader.map(move |rows| match &filter {
            Some(filter) => Ok(keep(&rows?, filter)?.project(&columns)?),
            None => Ok(rows?),
        });
        let mut left = self.limit.unwrap_or(usize::MAX);
        let limited = kept.map_while(move |rows: Result<RecordBatch, DataFusionError>| match rows {
            _ if left == 0 => None,
            Ok(rows) => {
                let rows = if rows.num_rows() > left { rows.slice(0, left) } else { rows };
                left -= rows.num_rows();
                Some(Ok(rows))
            }
            error => Some(error),
        });
        limited.filter(|rows| rows.as_ref().map_or(true, |rows| rows.num_rows() > 0))
    }
}

fn keep(rows: &RecordBatch, filter: &Arc<dyn PhysicalExpr>) -> Result<RecordBatch, DataFusionError> {
    let kept = filter.evaluate(rows)?.into_array(rows.num_rows())?;
    let kept = kept.as_boolean_opt().ok_or_else(|| DataFusionError::Internal(format!("{filter} is not boolean")))?;
    Ok(filter_record_batch(rows, kept)?)
}

/// Contiguous segments with about equally many live rows each.
fn partitions(snapshot: &TableSnapshot, target: usize) -> Vec<Range<usize>> {
    let views = &snapshot.views;
    let wanted = (snapshot.num_rows() / PARTITION_ROWS + 1).min(target.max(1));
    let share = snapshot.num_rows().div_ceil(wanted).max(1);
    let (mut partitions, mut start, mut rows) = (Vec::with_capacity(wanted), 0, 0);
    for (index, view) in views.iter().enumerate() {
        rows += view.liveness.live();
        if rows >= share && partitions.len() + 1 < wanted {
            partitions.push(start..index + 1);
            (start, rows) = (index + 1, 0);
        }
    }
    partitions.push(start..views.len());
    partitions
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |columns: &[usize]| {
            columns.iter().map(|&column| self.spec.schema.field(column).name().as_str()).collect::<Vec<_>>().join(", ")
        };
        let access = match self.access.as_ref() {
            Access::All => "every row".to_owned(),
            Access::Keys { points, .. } => format!("key ({}), {} values", names(&self.spec.key), points.len()),
            Access::Spans { index, spans, .. } => {
                format!("index ({}), {} ranges", names(&self.spec.indexes[*index]), spans.len())
            }
        };
        if let DisplayFormatType::TreeRender = kind {
            return writeln!(f, "table={}\naccess={access}", self.spec.name);
        }
        write!(f, "TableScan: {}, access={access}, projection=[{}]", self.spec.name, names(&self.columns))?;
        if let Some(filter) = &self.filter {
            write!(f, ", filter={filter}")?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        "TableScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        self.filter.as_ref().map_or(Ok(TreeNodeRecursion::Continue), visit)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match children.is_empty() {
            true => Ok(self),
            false => Err(DataFusionError::Internal("a table scan has no children".to_owned())),
        }
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let mut rows = self.read(partition);
        let timed = std::iter::from_fn(move || {
            let _timer = metrics.elapsed_compute().timer();
            let next = rows.next();
            if let Some(Ok(batch)) = &next {
                metrics.record_output(batch.num_rows());
            }
            next
        });
        let stream = RecordBatchStreamAdapter::new(self.schema(), futures::stream::iter(timed));
        Ok(make_cooperative(Box::pin(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>, DataFusionError> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let segments = args.partition().map_or(0..self.snapshot.views.len(), |index| self.partitions[index].clone());
        let live: usize = self.snapshot.views[segments].iter().map(|view| view.liveness.live()).sum();
        let exact = matches!(*self.access, Access::All) && self.filter.is_none();
        statistics.num_rows = match (exact, self.access.as_ref(), self.limit) {
            (true, _, None) => Precision::Exact(live),
            (true, _, Some(limit)) if self.partitions.len() == 1 => Precision::Exact(live.min(limit)),
            (_, Access::Keys { points, .. }, _) => Precision::Inexact(live.min(points.len())),
            _ => Precision::Absent,
        };
        Ok(Arc::new(statistics))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, ..self.clone() }))
    }
}
