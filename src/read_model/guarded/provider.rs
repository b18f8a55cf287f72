//! A relation for DataFusion, of which it is given what a permit lets through.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Constraints, DataFusionError};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::exec::GuardedExec;
use crate::access::Permit;

/// It shows nothing of what is behind it: neither statistics, which count what is hidden, nor a plan that rules of the optimiser
/// could look into.
pub(in crate::read_model) struct GuardedProvider {
    relation: Arc<str>,
    /// All rows.
    behind: Arc<dyn TableProvider>,
    permit: Arc<Permit>,
}

impl GuardedProvider {
    pub(in crate::read_model) fn new(relation: &str, behind: Arc<dyn TableProvider>, permit: Arc<Permit>) -> Self {
        Self { relation: relation.into(), behind, permit }
    }

    /// The filters that may find rows before the permit has looked at them, by their places: those that an index serves, on columns that
    /// the reader sees. Such a filter compares values of the rows with a literal, which cannot fail.
    fn findable(&self, filters: &[&Expr]) -> Result<Vec<bool>, DataFusionError> {
        let served = self.behind.supports_filters_pushdown(filters)?;
        let schema = self.behind.schema();
        let is_seen = |filter: &Expr| {
            let columns = filter.column_refs();
            columns.iter().all(|column| schema.index_of(column.name()).is_ok_and(|column| !self.permit.masks(column)))
        };
        let findable = served.into_iter().zip(filters);
        Ok(findable.map(|(served, filter)| served == TableProviderFilterPushDown::Exact && is_seen(filter)).collect())
    }
}

#[async_trait]
impl TableProvider for GuardedProvider {
    fn schema(&self) -> SchemaRef {
        self.permit.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// What tells all rows apart tells some of them apart; a column of a key has no mask.
    fn constraints(&self) -> Option<&Constraints> {
        self.behind.constraints()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        let answer = |findable| match findable {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(self.findable(filters)?.into_iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let conditions: Vec<&Expr> = self.permit.conditions().iter().collect();
        let asked: Vec<&Expr> = filters.iter().collect();
        // The permit's own conditions first: where an index serves either, it is theirs that decides how much is read.
        let served = self.behind.supports_filters_pushdown(&conditions)?;
        let by_index = |served: &TableProviderFilterPushDown| *served == TableProviderFilterPushDown::Exact;
        let conditions = conditions.into_iter().zip(&served).filter(|(_, served)| by_index(served));
        let asked = asked.iter().zip(self.findable(&asked)?).filter(|(_, findable)| *findable);
        let finding: Vec<Expr> = conditions
            .map(|(condition, _)| condition.clone())
            .chain(asked.map(|(filter, _)| (*filter).clone()))
            .collect();
        let permitted = self.permit.over(projection.map(Vec::as_slice))?;
        let behind = self.behind.scan(state, Some(&permitted.columns), &finding, None).await?;
        Ok(Arc::new(GuardedExec::new(&self.relation, behind, permitted, self.permit.policies())))
    }
}

impl fmt::Debug for GuardedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedProvider").field("relation", &self.relation).finish_non_exhaustive()
    }
}
