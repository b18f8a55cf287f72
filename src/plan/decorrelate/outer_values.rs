//! The distinct values of the columns that a subquery reads of the rows around it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, TableReference};
use datafusion::logical_expr::{
    Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Projection, binary_expr, lit,
};

use super::Decorrelation;

/// Rows of outer values, each there once, under hidden names.
#[derive(Debug, Clone)]
pub(super) struct OuterValues {
    pub(super) rows: LogicalPlan,
    /// The outer columns, and the names that they have in `rows`.
    columns: Vec<(Column, String)>,
    /// The relation that has these names; none in `rows`.
    relation: Option<TableReference>,
    /// Whether none of them is ever NULL.
    required: bool,
}

impl OuterValues {
    /// What `subquery` reads of `outer`; None if it reads nothing of it.
    pub(super) fn read_by(
        subquery: &LogicalPlan,
        outer: &LogicalPlan,
        names: &mut Decorrelation<'_>,
    ) -> Result<Option<Self>> {
        let mut read: Vec<Column> = Vec::new();
        for expr in subquery.all_out_ref_exprs() {
            let Expr::OuterReferenceColumn(_, column) = expr else { continue };
            // What it reads of rows further out is for those to join.
            if outer.schema().has_column(&column) && !read.contains(&column) {
                read.push(column);
            }
        }
        if read.is_empty() {
            return Ok(None);
        }
        let mut required = true;
        let mut columns = Vec::new();
        for column in read {
            required &= !outer.schema().field_from_column(&column)?.is_nullable();
            columns.push((column, names.fresh("outer")));
        }
        let exprs = columns.iter().map(|(column, name)| Expr::Column(column.clone()).alias(name)).collect();
        let rows = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(outer.clone()))?);
        let rows = LogicalPlan::Distinct(Distinct::All(Arc::new(rows)));
        Ok(Some(Self { rows, columns, relation: None, required }))
    }

    /// Whether the plan reads one of them.
    pub(super) fn is_read_by(&self, plan: &LogicalPlan) -> bool {
        plan.all_out_ref_exprs().iter().any(|expr| self.name_of(expr).is_some())
    }

    fn name_of(&self, expr: &Expr) -> Option<&String> {
        let Expr::OuterReferenceColumn(_, read) = expr else { return None };
        self.columns.iter().find(|(column, _)| column == read).map(|(_, name)| name)
    }

    /// The expression over rows that have the values as columns.
    pub(super) fn substituted(&self, expr: Expr) -> Result<Expr> {
        let substituted = expr.transform(|part| match self.name_of(&part) {
            Some(name) => Ok(Transformed::yes(self.column(name))),
            None => Ok(Transformed::no(part)),
        })?;
        Ok(substituted.data)
    }

    /// The columns that hold the values.
    pub(super) fn hidden(&self) -> Vec<Expr> {
        self.columns.iter().map(|(_, name)| self.column(name)).collect()
    }

    fn column(&self, name: &str) -> Expr {
        Expr::Column(Column::new(self.relation.clone(), name))
    }

    /// The same values in rows whose columns are all of one relation.
    pub(super) fn within(self, relation: TableReference) -> Self {
        Self { relation: Some(relation), ..self }
    }

    /// The plan with each outer row's values beside each of its rows.
    pub(super) fn beside(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::EmptyRelation(nothing) if nothing.produce_one_row => Ok(self.rows.clone()),
            _ => LogicalPlanBuilder::from(plan.clone()).cross_join(self.rows.clone())?.build(),
        }
    }

    /// That an outer row meets a row of its own values, which are among the columns of `right`.
    pub(super) fn met(&self, right: &DFSchema) -> Result<Expr> {
        let pairs = self.columns.iter().map(|(column, name)| {
            let (relation, field) = right.qualified_field_with_unqualified_name(name)?;
            Ok((Expr::Column(column.clone()), Expr::Column(Column::new(relation.cloned(), field.name()))))
        });
        self.all_same(pairs)
    }

    /// That a row has the values of one with others of the same kind.
    pub(super) fn same_as(&self, other: &Self) -> Result<Expr> {
        self.all_same(self.hidden().into_iter().zip(other.hidden()).map(Ok))
    }

    fn all_same(&self, pairs: impl Iterator<Item = Result<(Expr, Expr)>>) -> Result<Expr> {
        // A join with keys of which some match NULLs and some do not has only the latter.
        let operator = if self.required { Operator::Eq } else { Operator::IsNotDistinctFrom };
        let mut all: Option<Expr> = None;
        for pair in pairs {
            let (left, right) = pair?;
            let same = binary_expr(left, operator, right);
            all = Some(all.map_or(same.clone(), |all| all.and(same)));
        }
        Ok(all.unwrap_or_else(|| lit(true)))
    }

    /// A plan that has these values, with names of their own for them.
    pub(super) fn renamed(&self, plan: LogicalPlan, names: &mut Decorrelation<'_>) -> Result<(LogicalPlan, Self)> {
        let columns: Vec<_> = self.columns.iter().map(|(column, _)| (column.clone(), names.fresh("outer"))).collect();
        let is_hidden = |column: &Column| {
            self.columns.iter().position(|(_, name)| column.relation.is_none() && column.name == *name)
        };
        let exprs = plan.schema().columns().into_iter().map(|column| match is_hidden(&column) {
            Some(index) => Expr::Column(column).alias(&columns[index].1),
            None => Expr::Column(column),
        });
        let plan = LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::new(plan))?);
        Ok((plan, Self { rows: self.rows.clone(), columns, relation: None, required: self.required }))
    }
}
