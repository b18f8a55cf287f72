//! A snapshot for DataFusion: which filters it answers itself, and the plan that reads it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Constraint, Constraints, DFSchema, DataFusionError, Statistics};
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::access::Access;
use super::scan_exec::ScanExec;
use super::snapshot::TableSnapshot;

#[derive(Debug)]
pub(super) struct SnapshotProvider {
    snapshot: TableSnapshot,
    constraints: Option<Constraints>,
}

impl SnapshotProvider {
    pub(super) fn new(snapshot: TableSnapshot) -> Self {
        let spec = snapshot.spec();
        // DataFusion trusts constraints without checking them, so it gets proven ones only.
        let proven = spec.key_proven && !spec.key.is_empty();
        let constraints = proven.then(|| Constraints::new_unverified(vec![Constraint::PrimaryKey(spec.key.clone())]));
        Self { snapshot, constraints }
    }
}

#[async_trait]
impl TableProvider for SnapshotProvider {
    fn schema(&self) -> SchemaRef {
        self.snapshot.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.constraints.as_ref()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        let (_, used) = Access::choose(self.snapshot.spec(), filters)?;
        let answer = |used| match used {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(used.into_iter().map(answer).collect())
    }

    /// Keeps exactly the rows that pass all filters, also those that no index answers: filters that were promised
    /// one by one may come together here, where one way to the rows has to be chosen.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let spec = self.snapshot.spec();
        let (access, used) = Access::choose(spec, &filters.iter().collect::<Vec<_>>())?;
        let rest =
            filters.iter().zip(used).filter(|(_, used)| !used).map(|(filter, _)| unnormalize_col(filter.clone()));
        let rest = conjunction(rest)
            .map(|filter| state.create_physical_expr(filter, &DFSchema::try_from(spec.schema.clone())?))
            .transpose()?;
        let partitions = state.config().target_partitions();
        Ok(Arc::new(ScanExec::new(&self.snapshot, access, rest, projection, limit, partitions)?))
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.snapshot.schema());
        statistics.num_rows = Precision::Exact(self.snapshot.num_rows());
        Some(statistics)
    }
}
