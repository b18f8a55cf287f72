//! Names of what SELECT gives where none is written: a cast and a field of a struct have that of what they are of, as in PostgreSQL.
//! `n.night::date` is `night` and `l.account` is `account`, for which the planner would write `n.night` and `l.l[account]`.
//!
//! A name that another column of the same SELECT has is given to none of them, and beside `*` none is given. Nor is one that HAVING or
//! QUALIFY names: there the planner would take what is selected for the column of the input.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, Select, SelectItem, TableFactor, TableWithJoins, visit_expressions,
};

use super::relations::{called, normal};
use super::set_functions;

pub(super) fn as_written(select: &mut Select) {
    let Some(relations) = Relations::of(&select.from) else { return };
    let mut taken: HashMap<String, usize> = HashMap::new();
    for item in &select.projection {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last(),
            SelectItem::UnnamedExpr(expr) => relations.name(expr),
            _ => return,
        };
        name.into_iter().for_each(|name| *taken.entry(normal(name)).or_default() += 1);
    }
    let mut filtered_by = HashSet::new();
    for condition in select.having.iter().chain(&select.qualify) {
        let _ = visit_expressions(condition, |part| {
            if let Expr::Identifier(name) = part {
                filtered_by.insert(normal(name));
            }
            ControlFlow::<()>::Continue(())
        });
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) = item
            && let Some(alias) = relations.name(expr).cloned()
            && taken.get(&normal(&alias)) == Some(&1)
            && !filtered_by.contains(&normal(&alias))
        {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// What FROM calls the relations, so that a column of one can be told from a field.
struct Relations {
    names: Vec<Vec<Ident>>,
    /// Of functions that give one column, which has the name of the relation.
    lists: Vec<Ident>,
}

impl Relations {
    /// None if one of the relations has no name that is known.
    fn of(from: &[TableWithJoins]) -> Option<Self> {
        let mut relations = Self { names: Vec::new(), lists: Vec::new() };
        for item in from {
            for factor in std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation)) {
                match (set_functions::list_name(factor), called(factor), factor) {
                    (Some(list), _, _) => relations.lists.push(list),
                    (None, Some(name), _) => relations.names.push(name),
                    (
                        None,
                        None,
                        TableFactor::UNNEST { alias: Some(alias), .. }
                        | TableFactor::Function { alias: Some(alias), .. },
                    ) => relations.names.push(vec![alias.name.clone()]),
                    (None, None, TableFactor::Derived { alias: None, .. }) => {}
                    _ => return None,
                }
            }
        }
        Some(relations)
    }

    /// The name that an expression has by what it is of; none where the planner gives it that already.
    fn name<'a>(&self, expr: &'a Expr) -> Option<&'a Ident> {
        match expr {
            Expr::Nested(inner) => self.name(inner),
            Expr::Cast { expr: inner, .. } => of_column(inner).or_else(|| self.name(inner)),
            Expr::CompoundIdentifier(parts) if self.is_field(parts) => parts.last(),
            Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
                Some(AccessExpr::Dot(Expr::Identifier(name))) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the last part is a field of what the others name.
    fn is_field(&self, parts: &[Ident]) -> bool {
        let same = |one: &Ident, other: &Ident| normal(one) == normal(other);
        let Some((_, of)) = parts.split_last() else { return false };
        let is_relation = |name: &Vec<Ident>| {
            name.len() >= of.len() && {
                name[name.len() - of.len()..].iter().zip(of).all(|(one, other)| same(one, other))
            }
        };
        matches!(of, [one] if self.lists.iter().any(|list| same(list, one))) || !self.names.iter().any(is_relation)
    }
}

/// The name of a column that is cast.
fn of_column(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => of_column(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;
    use expect_test::{Expect, expect};

    use crate::sql::parse_statement;

    fn check(sql: &str, expected: Expect) {
        expected.assert_eq(&parse_statement(&SessionContext::new().state(), sql).unwrap().to_string());
    }

    #[test]
    fn casts_and_fields_have_the_name_of_what_they_are_of() {
        check(
            "SELECT n.night::date, (x)::int::text FROM n",
            expect![[r#"SELECT n.night::DATE AS night, (x)::INT::TEXT AS x FROM n"#]],
        );
        check(
            "SELECT placed.total, line.sku.maker FROM shop.events",
            expect![[r#"SELECT placed.total AS total, line.sku.maker AS maker FROM shop.events"#]],
        );
        check(
            "SELECT t.ls[1].sku, (l).sku AS other FROM t",
            expect![[r#"SELECT t.ls[1]['sku'] AS sku, (l)['sku'] AS other FROM t"#]],
        );
    }

    #[test]
    fn what_has_a_name_keeps_it() {
        check(
            "SELECT t.a, shop.t.b, 1::int, t.a + 1 FROM shop.t",
            expect![[r#"SELECT t.a, shop.t.b, 1::INT, t.a + 1 FROM shop.t"#]],
        );
        check("SELECT a, a::int FROM t", expect!["SELECT a, a::INT FROM t"]);
        check("SELECT x.a::int, y.a::int FROM x, y", expect![[r#"SELECT x.a::INT, y.a::INT FROM x, y"#]]);
        check(
            "SELECT a::int FROM t GROUP BY a HAVING a > 1",
            expect![[r#"SELECT a::INT FROM t GROUP BY a HAVING a > 1"#]],
        );
        check("SELECT *, a::int FROM t", expect![[r#"SELECT *, a::INT FROM t"#]]);
    }
}
