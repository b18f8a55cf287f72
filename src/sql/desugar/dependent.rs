//! Columns that follow from what is grouped by, as a customer's name from the customer's number: where GROUP BY has the key of a
//! table, its other columns may be selected without an aggregate, and are grouped by too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, Value, Visit,
    Visitor,
};

use super::relations::{Relations, called, normal};

pub(super) fn as_grouped(select: &mut Select, relations: &Relations<'_>) {
    let GroupByExpr::Expressions(groups, modifiers) = &select.group_by else { return };
    let is_set = |group: &Expr| matches!(group, Expr::GroupingSets(_) | Expr::Rollup(_) | Expr::Cube(_));
    if groups.is_empty() || !modifiers.is_empty() || groups.iter().any(is_set) {
        return;
    }
    let tables = Tables::of(select, relations);
    let mut grouped: Vec<Column> =
        groups.iter().filter_map(|group| tables.of_group(group, &select.projection)).collect();
    let follows: Vec<usize> = (0..tables.tables.len()).filter(|&table| tables.is_grouped(table, &grouped)).collect();
    let mut named = Named { tables: &tables, relations, queries: 0, aggregates: 0, found: Vec::new() };
    for item in &select.projection {
        match item {
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                named.found.extend(tables.all_of(&parts));
            }
            item => drop(item.visit(&mut named)),
        }
    }
    let _ = (select.having.visit(&mut named), select.qualify.visit(&mut named), select.named_window.visit(&mut named));
    let mut added = Vec::new();
    for (column, written) in named.found {
        if follows.contains(&column.table) && !grouped.contains(&column) {
            grouped.push(column);
            added.push(written);
        }
    }
    if let GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        groups.extend(added);
    }
}

/// A column of a table in FROM.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    table: usize,
    name: String,
}

struct Table {
    /// As its columns are called.
    name: Vec<Ident>,
    columns: Vec<String>,
    key: Option<Vec<String>>,
}

/// The tables of one FROM whose columns are known.
struct Tables {
    tables: Vec<Table>,
    /// Whether there are no others, so that a name without a table can be told.
    are_all: bool,
}

impl Tables {
    fn of(select: &Select, relations: &Relations<'_>) -> Self {
        let factors = select
            .from
            .iter()
            .flat_map(|item| std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation)));
        let (mut tables, mut are_all) = (Vec::new(), true);
        for factor in factors {
            match (called(factor), relations.columns(factor)) {
                (Some(name), Some(columns)) => tables.push(Table { name, columns, key: relations.key(factor) }),
                _ => are_all = false,
            }
        }
        Self { tables, are_all }
    }

    /// Whether the key of a table is among the columns that are grouped by.
    fn is_grouped(&self, table: usize, grouped: &[Column]) -> bool {
        let is_grouped = |name: &String| grouped.iter().any(|column| column.table == table && column.name == *name);
        self.tables[table].key.as_ref().is_some_and(|key| key.iter().all(is_grouped))
    }

    /// The column that an expression is.
    fn column(&self, expr: &Expr) -> Option<Column> {
        match expr {
            Expr::Identifier(name) if self.are_all => {
                let name = normal(name);
                let mut having = (0..self.tables.len()).filter(|&table| self.tables[table].columns.contains(&name));
                let table = having.next()?;
                having.next().is_none().then_some(Column { table, name })
            }
            Expr::CompoundIdentifier(parts) => {
                let (name, of) = parts.split_last()?;
                let table = self.called(of)?;
                let name = normal(name);
                self.tables[table].columns.contains(&name).then_some(Column { table, name })
            }
            _ => None,
        }
    }

    fn called(&self, name: &[Ident]) -> Option<usize> {
        let is_same = |one: &Ident, other: &Ident| normal(one) == normal(other);
        let ends_so = |own: &[Ident]| {
            let shared = own.len().min(name.len());
            shared > 0 && own.iter().rev().zip(name.iter().rev()).all(|(one, other)| is_same(one, other))
        };
        let mut called = (0..self.tables.len()).filter(|&table| ends_so(&self.tables[table].name));
        let table = called.next()?;
        called.next().is_none().then_some(table)
    }

    /// All columns of the table of this name, as they are called.
    fn all_of(&self, name: &[Ident]) -> Vec<(Column, Expr)> {
        let Some(table) = self.called(name) else { return Vec::new() };
        let column = |column: &String| {
            let written = name.iter().cloned().chain([Ident::with_quote('"', column)]).collect();
            (Column { table, name: column.clone() }, Expr::CompoundIdentifier(written))
        };
        self.tables[table].columns.iter().map(column).collect()
    }

    /// The column that is grouped by: as it is written, by the place of what is selected, or by the name that it is given there.
    fn of_group(&self, group: &Expr, selected: &[SelectItem]) -> Option<Column> {
        if let Some(column) = self.column(group) {
            return Some(column);
        }
        let expr = match group {
            Expr::Value(value) => match &value.value {
                Value::Number(place, _) => match selected.get(place.parse::<usize>().ok()?.checked_sub(1)?)? {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
                    _ => return None,
                },
                _ => return None,
            },
            Expr::Identifier(name) => selected.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if normal(alias) == normal(name) => Some(expr),
                _ => None,
            })?,
            _ => return None,
        };
        self.column(expr)
    }
}

/// Finds the columns that are named outside of aggregates. In subqueries, which may have columns of the same name, only those that
/// are called by their table.
struct Named<'a> {
    tables: &'a Tables,
    relations: &'a Relations<'a>,
    queries: usize,
    aggregates: usize,
    found: Vec<(Column, Expr)>,
}

impl Named<'_> {
    fn is_aggregate(&self, expr: &Expr) -> bool {
        let is_plain = |function: &Function| function.over.is_none() && self.relations.is_aggregate(&function.name);
        matches!(expr, Expr::Function(function) if is_plain(function))
    }
}

impl Visitor for Named<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.is_aggregate(expr) {
            self.aggregates += 1;
        }
        let is_told = self.queries == 0 || matches!(expr, Expr::CompoundIdentifier(_));
        if self.aggregates == 0
            && is_told
            && let Some(column) = self.tables.column(expr)
        {
            self.found.push((column, expr.clone()));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.is_aggregate(expr) {
            self.aggregates -= 1;
        }
        ControlFlow::Continue(())
    }
}
