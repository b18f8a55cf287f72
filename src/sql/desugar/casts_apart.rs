//! Aggregates and window functions that differ only in their casts, which the planner would give one name and refuse: it leaves casts out
//! of the names of what it computes. In `sum(x), sum(x::float)` the second one becomes `sum(cast_apart(x::float, 'DOUBLE'))`, whose name is another;
//! the optimiser takes the function away again. Expressions of GROUP BY have the same fate, and a column of SELECT that differs from
//! another one only in its casts is named by its text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Value, VisitMut, VisitorMut, visit_expressions,
    visit_expressions_mut,
};

use super::relations::Relations;
use crate::sql::casts_apart::CAST_APART;
use crate::sql::spelling::call;

/// Looks at the SELECT of a query with the query's own ORDER BY, and at each SELECT of UNION, INTERSECT and EXCEPT.
pub(super) fn as_named(query: &mut Query, relations: &Relations<'_>) {
    let Some(marked) = named_apart(&mut query.body, relations) else { return };
    if let Some(order_by) = &mut query.order_by {
        let _ = order_by.visit(&mut Marking::of(&marked));
    }
}

/// What was marked, if the body is one SELECT.
fn named_apart(body: &mut SetExpr, relations: &Relations<'_>) -> Option<BTreeSet<String>> {
    match body {
        SetExpr::Select(select) => Some(in_select(select, relations)),
        SetExpr::SetOperation { left, right, .. } => {
            named_apart(left, relations);
            named_apart(right, relations);
            None
        }
        _ => None,
    }
}

fn in_select(select: &mut Select, relations: &Relations<'_>) -> BTreeSet<String> {
    let is_of_one = matches!(&select.from[..], [from] if from.joins.is_empty());
    let calls = computed(select, relations);
    let marked = differing(&calls, is_of_one);
    name_items(select, &marked, is_of_one);
    if !marked.is_empty() {
        let marking = &mut Marking::of(&marked);
        let _ = select.projection.visit(marking);
        let _ = select.group_by.visit(marking);
        let _ = select.having.visit(marking);
        let _ = select.qualify.visit(marking);
    }
    marked
}

/// The aggregates, the window functions and the expressions of GROUP BY.
fn computed(select: &Select, relations: &Relations<'_>) -> Vec<Expr> {
    let mut found = Vec::new();
    let mut calls = |part: &Expr| {
        if let Expr::Function(call) = part
            && (call.over.is_some() || relations.is_aggregate(&call.name))
        {
            found.push(part.clone());
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions(&select.projection, &mut calls);
    let _ = visit_expressions(&select.having, &mut calls);
    let _ = visit_expressions(&select.qualify, &mut calls);
    if let GroupByExpr::Expressions(keys, _) = &select.group_by {
        found.extend(keys.iter().cloned());
    }
    found
}

/// The texts of those that have casts, and without them would have the text of another.
fn differing(exprs: &[Expr], is_of_one: bool) -> BTreeSet<String> {
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for expr in exprs {
        by_name.entry(without_casts(expr, is_of_one)).or_default().insert(expr.to_string());
    }
    let with_casts: BTreeSet<String> = exprs.iter().filter(|expr| has_cast(expr)).map(Expr::to_string).collect();
    by_name.into_values().filter(|texts| texts.len() > 1).flatten().filter(|text| with_casts.contains(text)).collect()
}

/// Gives a name to what is marked, and to what has casts and without them would be what another column is.
fn name_items(select: &mut Select, marked: &BTreeSet<String>, is_of_one: bool) {
    let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) = item {
            taken.entry(without_casts(expr, is_of_one)).or_default().insert(expr.to_string());
        }
    }
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let is_taken =
            has_cast(expr) && taken.get(&without_casts(expr, is_of_one)).is_some_and(|texts| texts.len() > 1);
        if is_taken || has_one_of(expr, marked) {
            let alias = Ident::with_quote('"', expr.to_string());
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// The text as the planner names it: without casts, and over one relation without its name.
fn without_casts(expr: &Expr, is_of_one: bool) -> String {
    let mut expr = expr.clone();
    let _ = visit_expressions_mut(&mut expr, |part| {
        loop {
            match part {
                Expr::Cast { expr: inner, .. } | Expr::Nested(inner) => *part = (**inner).clone(),
                Expr::CompoundIdentifier(parts) if is_of_one => match parts.pop() {
                    Some(name) => *part = Expr::Identifier(name),
                    None => break,
                },
                _ => break,
            }
        }
        ControlFlow::<()>::Continue(())
    });
    expr.to_string()
}

fn has_cast(expr: &Expr) -> bool {
    has(expr, |part| matches!(part, Expr::Cast { .. }))
}

fn has_one_of(expr: &Expr, marked: &BTreeSet<String>) -> bool {
    !marked.is_empty() && has(expr, |part| marked.contains(&part.to_string()))
}

fn has(expr: &Expr, is_it: impl Fn(&Expr) -> bool) -> bool {
    visit_expressions(expr, |part| match is_it(part) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Marks the casts in expressions of these texts. A literal that is cast stays one: some functions ask for literals.
struct Marking<'a> {
    texts: &'a BTreeSet<String>,
    /// Of each expression that is being visited, whether it is one of them: what is within it changes its text.
    are_marked: Vec<bool>,
}

impl<'a> Marking<'a> {
    fn of(texts: &'a BTreeSet<String>) -> Self {
        Self { texts, are_marked: Vec::new() }
    }
}

impl VisitorMut for Marking<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.are_marked.push(self.texts.contains(&expr.to_string()));
        ControlFlow::Continue(())
    }

    /// Afterwards, so that what is put in is not visited.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.are_marked.pop() == Some(true) {
            let _ = visit_expressions_mut(expr, |part| {
                if let Expr::Cast { expr: inner, data_type, .. } = part
                    && !matches!(**inner, Expr::Value(_))
                {
                    let written = Expr::value(Value::SingleQuotedString(data_type.to_string()));
                    *part = Expr::Function(call(CAST_APART, vec![part.clone(), written]));
                }
                ControlFlow::<()>::Continue(())
            });
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;
    use expect_test::{Expect, expect};

    use crate::sql::{RelationKeys, over_relations, parse_statement};

    fn check(sql: &str, expected: Expect) {
        let state = SessionContext::new().state();
        let mut statement = parse_statement(&state, sql).unwrap();
        over_relations(&mut statement, &state, &RelationKeys::default()).unwrap();
        expected.assert_eq(&statement.to_string());
    }

    #[test]
    fn what_differs_in_its_casts_alone_is_told_apart() {
        check(
            "SELECT sum(x) AS a, sum(x::float) AS b FROM t ORDER BY sum(x::float)",
            expect![
                "SELECT sum(x) AS a, sum(cast_apart(x::DOUBLE, 'DOUBLE')) AS b FROM t ORDER BY sum(cast_apart(x::DOUBLE, 'DOUBLE'))"
            ],
        );
        check(
            "SELECT count(DISTINCT x), count(DISTINCT t.x::text) FROM t",
            expect![[
                r#"SELECT count(DISTINCT x), count(DISTINCT cast_apart(t.x::TEXT, 'TEXT')) AS "count(DISTINCT t.x::TEXT)" FROM t"#
            ]],
        );
        check(
            "SELECT x, x::date FROM t GROUP BY x, x::date",
            expect![[
                r#"SELECT x, cast_apart(x::DATE, 'DATE') AS "x::DATE" FROM t GROUP BY x, cast_apart(x::DATE, 'DATE')"#
            ]],
        );
        check("SELECT x + 1, x::int + 1 FROM t", expect![[r#"SELECT x + 1, x::INT + 1 AS "x::INT + 1" FROM t"#]]);
        check(
            "SELECT sum(x) AS a FROM t UNION ALL SELECT sum(x) + sum(x::int) FROM t",
            expect![[
                r#"SELECT sum(x) AS a FROM t UNION ALL SELECT sum(x) + sum(cast_apart(x::INT, 'INT')) AS "sum(x) + sum(x::INT)" FROM t"#
            ]],
        );
    }

    #[test]
    fn other_casts_stay() {
        check(
            "SELECT sum(x::int), sum(y::int) AS y, x::text FROM t GROUP BY x::text",
            expect!["SELECT sum(x::INT), sum(y::INT) AS y, x::TEXT AS x FROM t GROUP BY x::TEXT"],
        );
        check("SELECT abs(x::int) AS i, abs(x) AS x FROM t", expect!["SELECT abs(x::INT) AS i, abs(x) AS x FROM t"]);
        check("SELECT sum(a.x::int), sum(b.x) FROM a, b", expect!["SELECT sum(a.x::INT), sum(b.x) FROM a, b"]);
    }
}
