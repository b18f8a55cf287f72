//! A view whose plan stays one of its own: what is hidden of its rows is hidden before anything of a reader's is computed, so that no
//! rule may move a reader's filter into it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::account::{Account, Stage, metered};

pub(super) struct ViewApart {
    plan: LogicalPlan,
    schema: SchemaRef,
    state: SessionState,
    account: Account,
}

impl ViewApart {
    /// The plan is metered as it is planned.
    pub(super) fn new(plan: LogicalPlan, state: SessionState, account: Account) -> Self {
        Self { schema: plan.schema().inner().clone(), plan, state, account }
    }
}

#[async_trait]
impl TableProvider for ViewApart {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        if let Some(columns) = projection {
            let column = |index: &usize| Expr::from(self.plan.schema().qualified_field(*index));
            plan = plan.project(columns.iter().map(column))?;
        }
        let plan = self.state.optimize(&plan.build()?)?;
        let plan = metered(plan, &self.account, Stage::Optimised)?;
        self.state.query_planner().create_physical_plan(&plan, &self.state).await
    }
}

impl fmt::Debug for ViewApart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewApart").field("schema", &self.schema).finish_non_exhaustive()
    }
}
