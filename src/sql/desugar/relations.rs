//! What is known of the relations in FROM before anything is planned: their columns, and which of them tell their rows apart.

use std::collections::{BTreeMap, HashMap};

use datafusion::common::TableReference;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor,
};
use futures::FutureExt;

/// The columns that tell the rows of each table apart, by the names of both. DataFusion is not told, because it would put every column
/// that follows from a key beside it in a GROUP BY.
#[derive(Debug, Clone, Default)]
pub struct RelationKeys(pub BTreeMap<String, Vec<String>>);

/// The relations that a statement may name where one of its queries stands.
pub(in crate::sql) struct Relations<'a> {
    state: &'a SessionState,
    keys: &'a RelationKeys,
    /// The columns of what each query around it defines by WITH, the outermost query first; none of those that are not written down.
    defined: Vec<HashMap<String, Option<Vec<String>>>>,
}

impl<'a> Relations<'a> {
    pub(in crate::sql) fn new(state: &'a SessionState, keys: &'a RelationKeys) -> Self {
        Self { state, keys, defined: Vec::new() }
    }

    pub(super) fn enter(&mut self, query: &Query) {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let defined = tables.map(|table| (normal(&table.alias.name), named(Some(&table.alias), written(&table.query))));
        self.defined.push(defined.collect());
    }

    pub(super) fn leave(&mut self) {
        self.defined.pop();
    }

    pub(super) fn is_aggregate(&self, name: &ObjectName) -> bool {
        let only = name.0.as_slice();
        matches!(only, [part] if part.as_ident().is_some_and(|name| self.state.aggregate_functions().contains_key(&normal(name))))
    }

    /// The columns of a relation in FROM, in their order, without those that describe an event; none if they are not known.
    pub(super) fn columns(&self, relation: &TableFactor) -> Option<Vec<String>> {
        match relation {
            TableFactor::Table { name, alias, args: None, .. } => named(alias.as_ref(), self.columns_of_table(name)),
            TableFactor::Derived { subquery, alias, .. } => named(alias.as_ref(), written(subquery)),
            _ => None,
        }
    }

    /// The columns that tell the rows of a relation in FROM apart; none if that is not known.
    pub(super) fn key(&self, relation: &TableFactor) -> Option<Vec<String>> {
        let TableFactor::Table { name, alias, args: None, .. } = relation else { return None };
        let [part] = name.0.as_slice() else { return None };
        let name = normal(part.as_ident()?);
        let is_defined = self.defined.iter().any(|defined| defined.contains_key(&name));
        let has_own_names = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
        if is_defined || has_own_names {
            return None;
        }
        self.keys.0.get(&name).cloned()
    }

    fn columns_of_table(&self, name: &ObjectName) -> Option<Vec<String>> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident().map(normal)).collect();
        let reference = match parts.as_slice() {
            [table] => match self.defined.iter().rev().find_map(|defined| defined.get(table)) {
                Some(columns) => return columns.clone(),
                None => TableReference::bare(table.as_str()),
            },
            [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
            _ => return None,
        };
        let schema = self.state.schema_for_ref(reference).ok()?;
        // What serves is in memory: nothing is waited for.
        let table = schema.table(parts.last()?).now_or_never()?.ok()??;
        let columns = table.schema();
        let columns = columns.fields().iter().map(|field| field.name().clone());
        Some(columns.filter(|name| !name.starts_with('_')).collect())
    }
}

/// A name as the planner has it: in lower case, unless it is in quotes.
pub(super) fn normal(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// What the columns of a relation in FROM are called by; none of a subquery without a name.
pub(super) fn called(relation: &TableFactor) -> Option<Vec<Ident>> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(vec![alias.name.clone()])
        }
        TableFactor::Table { name, .. } => Some(name.0.iter().filter_map(|part| part.as_ident().cloned()).collect()),
        _ => None,
    }
}

/// The columns as an alias names them, the first ones where it does not name all.
fn named(alias: Option<&TableAlias>, columns: Option<Vec<String>>) -> Option<Vec<String>> {
    let mut columns = columns?;
    for (column, own) in columns.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
        *column = normal(&own.name);
    }
    Some(columns)
}

/// The columns of a query that names each of them.
fn written(query: &Query) -> Option<Vec<String>> {
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        SetExpr::Select(select) => of_select(select),
        SetExpr::Query(query) => written(query),
        _ => None,
    }
}

fn of_select(select: &Select) -> Option<Vec<String>> {
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normal(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(normal(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(normal),
        _ => None,
    };
    select.projection.iter().map(name).collect()
}
