//! The name of a relation where a value is meant, as in `jsonb_agg(l)` and `to_jsonb(o)`: its row, a struct of its columns. What describes
//! an event, as `_seq`, is not among them.
//!
//! A relation that an outer join may leave without a row has none of them: the struct of its NULLs would be a row. `count(o)` counts rows,
//! and is left to its author for the same reason.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DictionaryField, Expr, Function, Ident, JoinOperator, Query, Select, TableFactor, TableWithJoins, VisitMut,
    VisitorMut,
};

use super::relations::{Relations, called, normal};

pub(super) fn as_structs(select: &mut Select, relations: &Relations<'_>) {
    let factors = || {
        select
            .from
            .iter()
            .flat_map(|from| [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation)))
    };
    // A column of one of them may have the name of another.
    let Some(columns) = factors().map(|factor| relations.columns(factor)).collect::<Option<Vec<_>>>() else { return };
    let columns: Vec<String> = columns.into_iter().flatten().collect();
    let rows: Vec<(String, Expr)> =
        select.from.iter().flat_map(always_there).filter_map(|factor| row(factor, relations)).collect();
    let rows: Vec<_> = rows.into_iter().filter(|(name, _)| !columns.contains(name)).collect();
    if !rows.is_empty() {
        let whole = &mut WholeRows { rows: &rows, queries: 0, opaque: 0 };
        let _ = (select.projection.visit(whole), select.selection.visit(whole), select.having.visit(whole));
    }
}

/// The relations that no outer join leaves without a row.
fn always_there(from: &TableWithJoins) -> Vec<&TableFactor> {
    let mut there = vec![&from.relation];
    for join in &from.joins {
        match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => there.push(&join.relation),
            JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::LeftAnti(_) => {}
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => there = vec![&join.relation],
            _ => there.clear(),
        }
    }
    there
}

/// What a relation is called, and its row.
fn row(factor: &TableFactor, relations: &Relations<'_>) -> Option<(String, Expr)> {
    let name = called(factor)?;
    let field = |column: String| {
        let written = name.iter().cloned().chain([Ident::with_quote('"', &column)]).collect();
        DictionaryField { key: Ident::with_quote('\'', column), value: Box::new(Expr::CompoundIdentifier(written)) }
    };
    let fields = relations.columns(factor)?.into_iter().map(field).collect();
    Some((normal(name.last()?), Expr::Dictionary(fields)))
}

/// Puts rows in the place of names, in this SELECT's own expressions.
struct WholeRows<'a> {
    rows: &'a [(String, Expr)],
    queries: usize,
    /// Calls of `count`, and lambdas, whose arguments may have the name of a relation.
    opaque: usize,
}

fn is_opaque(expr: &Expr) -> bool {
    match expr {
        Expr::Lambda(_) => true,
        Expr::Function(Function { name, .. }) => {
            matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|name| normal(name) == "count"))
        }
        _ => false,
    }
}

impl VisitorMut for WholeRows<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.opaque += usize::from(is_opaque(expr));
        if let Expr::Identifier(name) = expr
            && self.queries + self.opaque == 0
        {
            let name = normal(name);
            if let Some((_, row)) = self.rows.iter().find(|(relation, _)| *relation == name) {
                *expr = row.clone();
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.opaque -= usize::from(is_opaque(expr));
        ControlFlow::Continue(())
    }
}
