//! The value of a subquery as a column of the rows around it.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, Result, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, SubqueryAlias,
    binary_expr, lit, not, when,
};

use super::outer_values::OuterValues;
use super::{Decorrelation, unplanned};
use crate::config::Code;
use crate::plan::Refusal;
use crate::plan::facts::keys::Keys;

impl Decorrelation<'_> {
    /// The value of a subquery, as an expression over `input`, which gets the columns that it needs.
    pub(super) fn attach(&mut self, subquery: Expr, input: &mut LogicalPlan) -> Result<Expr> {
        match subquery {
            Expr::ScalarSubquery(Subquery { subquery, .. }) => {
                let rows = self.planned(&subquery)?;
                self.one_value(rows, input)
            }
            Expr::Exists(Exists { subquery, negated }) => {
                let rows = self.planned(&subquery.subquery)?;
                let found = self.found(without_limit(&rows), None, input)?;
                Ok(if negated { not(found) } else { found })
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let rows = self.planned(&subquery.subquery)?;
                let any = self.any(*expr, Operator::Eq, &rows, input)?;
                Ok(if negated { not(any) } else { any })
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                let rows = self.planned(&subquery.subquery)?;
                match quantifier {
                    SetQuantifier::Any => self.any(*expr, op, &rows, input),
                    SetQuantifier::All => {
                        let otherwise = op.negate().ok_or_else(|| unplanned(&format!("`{op} ALL`")))?;
                        Ok(not(self.any(*expr, otherwise, &rows, input)?))
                    }
                }
            }
            other => Ok(other),
        }
    }

    /// The plan of a subquery, without subqueries within it.
    fn planned(&mut self, subquery: &LogicalPlan) -> Result<LogicalPlan> {
        self.plan(subquery.clone())
    }

    /// The value of a subquery of one row at most, NULL where there is none.
    fn one_value(&mut self, rows: LogicalPlan, input: &mut LogicalPlan) -> Result<Expr> {
        let name = self.fresh("value");
        let value = |rows: &LogicalPlan| match rows.schema().columns().into_iter().next() {
            Some(column) => Ok(Expr::Column(column).alias(&name)),
            None => Err(unplanned("a subquery without columns")),
        };
        let (right, met) = match OuterValues::read_by(&rows, input, self)? {
            None => {
                one_row(Keys::of(&rows, self.scope).has_one_row_at_most())?;
                (Projection::try_new(vec![value(&rows)?], Arc::new(rows))?, lit(true))
            }
            Some(outer) => {
                let column = value(&rows)?;
                let rows = self.dependent(&rows, &outer)?;
                let exprs: Vec<Expr> = std::iter::once(column).chain(outer.hidden()).collect();
                let right = Projection::try_new(exprs, Arc::new(rows))?;
                let hidden: Vec<usize> = (1..right.expr.len()).collect();
                let right = LogicalPlan::Projection(right);
                one_row(Keys::of(&right, self.scope).are_unique(&hidden))?;
                let met = outer.met(right.schema())?;
                let LogicalPlan::Projection(right) = right else { return Err(unplanned("this subquery")) };
                (right, met)
            }
        };
        *input = LogicalPlanBuilder::from(input.clone())
            .join_on(LogicalPlan::Projection(right), JoinType::Left, [met])?
            .build()?;
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    /// Whether a subquery has a row, or one whose only column compares as said with a value of the outer row. Never NULL.
    fn found(
        &mut self,
        rows: &LogicalPlan,
        compared: Option<(&Expr, Operator)>,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        let (alias, one) = (self.fresh("found"), self.fresh("compared"));
        let column = match (compared, rows.schema().columns().into_iter().next()) {
            (Some(_), Some(column)) => Expr::Column(column).alias(&one),
            _ => lit(true).alias(&one),
        };
        let mut condition = match compared {
            Some((value, operator)) => {
                binary_expr(value.clone(), operator, Expr::Column(Column::new(Some(alias.clone()), &one)))
            }
            None => lit(true),
        };
        let outer = OuterValues::read_by(rows, input, self)?;
        let (rows, hidden) = match &outer {
            Some(outer) => (self.dependent(rows, outer)?, outer.hidden()),
            None => (rows.clone(), Vec::new()),
        };
        let exprs = std::iter::once(column).chain(hidden).collect();
        let right = Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows))?));
        let right = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(right, alias.as_str())?);
        if let Some(outer) = &outer {
            condition = outer.met(right.schema())?.and(condition);
        }
        *input = LogicalPlanBuilder::from(input.clone()).join_on(right, JoinType::LeftMark, [condition])?.build()?;
        Ok(Expr::Column(Column::new(Some(alias), "mark")))
    }

    /// `value operator ANY (rows)`, which is unknown if no row answers yes, and one is NULL, or the value is.
    fn any(&mut self, value: Expr, operator: Operator, rows: &LogicalPlan, input: &mut LogicalPlan) -> Result<Expr> {
        let Some(column) = rows.schema().columns().into_iter().next() else {
            return Err(unplanned("a subquery without columns"));
        };
        let (of_rows, of_value) = (rows.schema().field(0).is_nullable(), value.nullable(input.schema())?);
        let found = self.found(rows, Some((&value, operator)), input)?;
        let unknown = lit(ScalarValue::Boolean(None));
        let mut answer = when(found, lit(true));
        if of_rows {
            let nulls = Filter::try_new(Expr::Column(column).is_null(), Arc::new(rows.clone()))?;
            let has_null = self.found(&LogicalPlan::Filter(nulls), None, input)?;
            answer.when(has_null, unknown.clone());
        }
        if of_value {
            let has_row = self.found(rows, None, input)?;
            answer.when(value.is_null().and(has_row), unknown);
        }
        answer.otherwise(lit(false))
    }
}

/// Whether there is a row does not depend on an order, nor on a limit of some rows.
fn without_limit(rows: &LogicalPlan) -> &LogicalPlan {
    let fetches = |limit: &datafusion::logical_expr::Limit| {
        let literal = |expr: &Option<Box<Expr>>| match expr.as_deref() {
            None => Some(None),
            Some(Expr::Literal(ScalarValue::Int64(Some(number)), _)) => Some(Some(*number)),
            Some(_) => None,
        };
        matches!(literal(&limit.skip), Some(None | Some(0)))
            && literal(&limit.fetch).is_some_and(|fetch| fetch.is_none_or(|fetch| fetch > 0))
    };
    match rows {
        LogicalPlan::Limit(limit) if fetches(limit) => without_limit(&limit.input),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => without_limit(&sort.input),
        LogicalPlan::Projection(projection) => match without_limit(&projection.input) {
            unlimited if std::ptr::eq(unlimited, projection.input.as_ref()) => rows,
            unlimited => unlimited,
        },
        other => other,
    }
}

fn one_row(proven: bool) -> Result<()> {
    if proven {
        return Ok(());
    }
    let refusal = Refusal::new(Code::SeveralRows, "this subquery may give several rows in the place of one value");
    Err(refusal.hint("select an aggregate, add LIMIT 1, or write a join").into())
}
