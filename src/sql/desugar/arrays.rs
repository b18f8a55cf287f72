//! `ARRAY(SELECT x FROM t ORDER BY y)`: the rows of a subquery as a list, which is empty where there are none.

use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Distinct, DuplicateTreatment, Expr, FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, SetExpr, Value, visit_expressions,
};

use super::set_functions::plain_name;
use super::template;

/// # Errors
/// If the order of the list cannot be that of the rows.
pub(super) fn as_aggregate(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    let FunctionArguments::Subquery(query) = &function.args else { return Ok(()) };
    if plain_name(&function.name).is_none_or(|name| name != "array") {
        return Ok(());
    }
    let list = Expr::Subquery(Box::new(listed((**query).clone())?));
    *expr = template::expression("coalesce($__0, [])", &[list])?;
    Ok(())
}

fn listed(mut query: Query) -> Result<Query> {
    let order = match query.order_by.take() {
        None => Vec::new(),
        Some(OrderBy { kind: OrderByKind::Expressions(order), interpolate: None }) => order,
        Some(_) => return in_words(),
    };
    let is_whole = query.limit_clause.is_none() && query.fetch.is_none();
    if let SetExpr::Select(select) = query.body.as_mut()
        && is_whole
        && let Some(item) = plain_item(select)
    {
        let is_distinct = select.distinct.take().is_some();
        let order = order.into_iter().map(|by| by_item(by, &item)).collect();
        select.projection = vec![SelectItem::UnnamedExpr(aggregate(item, order, is_distinct)?)];
        return Ok(query);
    }
    // The order of rows that a LIMIT or a grouping made is not that of the list.
    if !order.is_empty() && !order.iter().all(|by| is_first_column(&by.expr)) {
        return in_words();
    }
    let element = template::expression("\"element\"", &[])?;
    let order = order.into_iter().map(|by| by_item(by, &element)).collect();
    let mut outer = template::query("SELECT 1 FROM (SELECT 1) AS \"array\"(\"element\")", &[])?;
    if let SetExpr::Select(select) = outer.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(aggregate(element, order, false)?)];
    }
    Ok(template::over(outer, query))
}

fn in_words<T>() -> Result<T> {
    plan_err!(
        "the order of this list has to be that of an aggregate: write `(SELECT array_agg(x ORDER BY y) FROM (…))`"
    )
}

/// What is selected, if it is one value of each row of FROM.
fn plain_item(select: &Select) -> Option<Expr> {
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice()
    else {
        return None;
    };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
        || select.having.is_some()
        || matches!(select.distinct, Some(Distinct::On(_)));
    let has_calls = visit_expressions(item, |part| match part {
        // An aggregate, or a function that gives rows.
        Expr::Function(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    (!is_grouped && has_calls.is_continue()).then(|| item.clone())
}

fn is_first_column(by: &Expr) -> bool {
    matches!(by, Expr::Value(value) if matches!(&value.value, Value::Number(place, _) if place == "1"))
}

fn by_item(by: OrderByExpr, item: &Expr) -> OrderByExpr {
    if is_first_column(&by.expr) { OrderByExpr { expr: item.clone(), ..by } } else { by }
}

fn aggregate(item: Expr, order: Vec<OrderByExpr>, is_distinct: bool) -> Result<Expr> {
    let mut call = template::expression("array_agg($__0)", &[item])?;
    if let Expr::Function(function) = &mut call
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.duplicate_treatment = is_distinct.then_some(DuplicateTreatment::Distinct);
        if !order.is_empty() {
            list.clauses.push(FunctionArgumentClause::OrderBy(order));
        }
    }
    Ok(call)
}
