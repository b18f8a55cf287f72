//! `FETCH FIRST n ROWS ONLY` is a LIMIT. `WITH TIES` keeps the rows that rank up to `n`.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, Ident, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Value, VisitMut,
    VisitorMut,
};

use super::template::{self, Copies};

pub(super) fn as_limit(query: &mut Query) -> Result<()> {
    let Some(Fetch { with_ties, percent, quantity }) = query.fetch.take() else { return Ok(()) };
    if percent {
        return plan_err!("FETCH takes a number of rows, not a percentage");
    }
    let rows = match quantity {
        Some(rows) => rows,
        None => template::expression("1", &[])?,
    };
    if with_ties {
        return up_to_rank(query, rows);
    }
    let offset = match query.limit_clause.take() {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset,
        Some(_) => return plan_err!("LIMIT and FETCH both say how many rows: write one of them"),
    };
    query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(rows), offset, limit_by: Vec::new() });
    Ok(())
}

fn up_to_rank(query: &mut Query, rows: Expr) -> Result<()> {
    if query.limit_clause.is_some() {
        return plan_err!("FETCH … WITH TIES takes no LIMIT and no OFFSET beside it");
    }
    let order = match query.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(order)) => order,
        _ => return plan_err!("FETCH … WITH TIES needs an ORDER BY: rows tie in an order"),
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return plan_err!("FETCH … WITH TIES over UNION and the like: write the query in FROM, and select from it");
    };
    if select.distinct.is_some() {
        return plan_err!("FETCH … WITH TIES over DISTINCT: write the query in FROM, and select from it");
    }
    let mut copies = Copies::default();
    let order = order.into_iter().map(|by| written_out(by, select, &mut copies)).collect::<Result<Vec<_>>>()?;
    let by: Vec<String> =
        order.iter().enumerate().map(|(index, by)| format!("$__{}{}", index + 1, direction(by))).collect();
    let values: Vec<Expr> = std::iter::once(rows).chain(order.into_iter().map(|by| by.expr)).collect();
    let is_taken = template::expression(&format!("rank() OVER (ORDER BY {}) <= $__0", by.join(", ")), &values)?;
    select.qualify = Some(match select.qualify.take() {
        Some(others) => template::expression("($__0) AND ($__1)", &[others, is_taken])?,
        None => is_taken,
    });
    Ok(())
}

fn direction(by: &OrderByExpr) -> String {
    let asc = match by.options.asc {
        Some(true) => " ASC",
        Some(false) => " DESC",
        None => "",
    };
    let nulls = match by.options.nulls_first {
        Some(true) => " NULLS FIRST",
        Some(false) => " NULLS LAST",
        None => "",
    };
    format!("{asc}{nulls}")
}

/// An order by what is selected, by its number or its name, as one by the expression itself.
fn written_out(mut by: OrderByExpr, select: &Select, copies: &mut Copies) -> Result<OrderByExpr> {
    if let Expr::Value(value) = &by.expr
        && let Value::Number(number, _) = &value.value
    {
        let place = number.parse::<usize>().ok().and_then(|number| select.projection.get(number.checked_sub(1)?));
        by.expr = match place {
            Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => copies.of(expr)?,
            _ => return plan_err!("ORDER BY {number} is none of the expressions that are selected"),
        };
        return Ok(by);
    }
    match by.expr.visit(&mut Aliases { select, copies }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(by),
    }
}

struct Aliases<'a> {
    select: &'a Select,
    copies: &'a mut Copies,
}

impl VisitorMut for Aliases<'_> {
    type Break = DataFusionError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        let Expr::Identifier(name) = expr else { return ControlFlow::Continue(()) };
        let is_same = |alias: &Ident| alias.value.eq_ignore_ascii_case(&name.value);
        let selected = self.select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if is_same(alias) => Some(expr),
            _ => None,
        });
        match selected.map(|selected| self.copies.of(selected)).transpose() {
            Ok(Some(selected)) => *expr = selected,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}
