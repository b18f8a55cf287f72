//! What a projection selects: its SQL, and what becomes of rows that are equal.

use datafusion::common::DataFusionError;
use datafusion::functions_aggregate::count::count_all;
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder};

use crate::config::{self, Code, Duplicates};
use crate::plan::Refusal;
use crate::plan::column_names::by_relation;

/// The rows of a projection before they are kept.
#[derive(Debug, Clone, Copy)]
pub struct Selected<'a> {
    pub sql: &'a str,
    pub duplicates: Option<&'a Duplicates>,
}

impl<'a> From<&'a str> for Selected<'a> {
    fn from(sql: &'a str) -> Self {
        Self { sql, duplicates: None }
    }
}

impl<'a> From<&'a config::Projection> for Selected<'a> {
    fn from(projection: &'a config::Projection) -> Self {
        Self { sql: &projection.sql, duplicates: projection.duplicates.as_ref() }
    }
}

impl Selected<'_> {
    /// The plan of its SQL with the column that tells equal rows apart, or counts them. What it says of them is computed as if it
    /// stood in the SQL, so that it is kept, and recomputed in batch, by the same rules.
    ///
    /// # Errors
    /// If the query gives a column of that name already, or none at all.
    pub(super) fn told_apart(&self, plan: LogicalPlan) -> Result<LogicalPlan, Refusal> {
        let Some(duplicates) = self.duplicates else { return Ok(plan) };
        let (Duplicates::Count(name) | Duplicates::Number(name)) = duplicates;
        let names = by_relation(&plan);
        if names.contains(name) {
            let refusal =
                Refusal::new(Code::SameColumn, format!("`duplicates` names `{name}`, which is a column of the query"));
            return Err(refusal.hint("choose another name for the column that `duplicates` adds"));
        }
        let columns = plan.schema().columns().into_iter().map(Expr::Column);
        let columns: Vec<Expr> = columns.zip(names).map(|(column, name)| column.alias(name)).collect();
        let told = || -> Result<LogicalPlan, DataFusionError> {
            let named = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
            let columns: Vec<Expr> = named.schema().columns().into_iter().map(Expr::Column).collect();
            let named = LogicalPlanBuilder::from(named);
            match duplicates {
                Duplicates::Count(name) => named.aggregate(columns, [count_all().alias(name)])?.build(),
                Duplicates::Number(name) => {
                    // Rows of one partition are equal: whichever is first, the numbers are the same.
                    let order = columns.iter().take(1).map(|column| column.clone().sort(true, true)).collect();
                    let number = row_number().partition_by(columns.clone()).order_by(order).build()?;
                    let numbered = named.window([number.clone()])?;
                    let last = numbered.schema().columns().pop().map(|column| Expr::Column(column).alias(name));
                    numbered.project(columns.into_iter().chain(last))?.build()
                }
            }
        };
        Ok(told()?)
    }
}
