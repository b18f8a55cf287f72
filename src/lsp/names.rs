//! What the names in a text of SQL mean: the columns of the tables that its queries name, and the fields of those.

use std::cell::Cell;

use super::known::{Known, KnownColumn, KnownRelation};
use crate::sql::{Item, Relation, Select, Table};

/// Stands for the element of a list in a path.
const ELEMENT: &str = "[]";

/// Tables are looked into so many times for one answer: names that WITH gives can be doubled without end.
const LOOKS_MAX: usize = 2_000;

/// Names as a text of SQL has them, over what is known.
pub(super) struct Names<'a> {
    known: &'a Known,
    looks_left: Cell<usize>,
}

impl<'a> Names<'a> {
    pub(super) fn over(known: &'a Known) -> Self {
        Self { known, looks_left: Cell::new(LOOKS_MAX) }
    }

    /// The relation that a table of a query is; none for a subquery.
    pub(super) fn relation(&self, table: &Table) -> Option<&'a KnownRelation> {
        match &table.relation {
            Relation::Named { source, name } => self.known.relation(source.as_deref(), name),
            _ => None,
        }
    }

    /// All columns of a query's tables, each with the table's name.
    pub(super) fn columns(&self, select: &Select) -> Vec<(Option<String>, KnownColumn)> {
        let tables = (0..select.tables.len()).flat_map(|index| {
            let name = select.tables[index].name.clone();
            self.of_table(select, index).into_iter().map(move |column| (name.clone(), column))
        });
        tables.collect()
    }

    /// What stands behind a path: the columns of a table, or the fields of a column.
    pub(super) fn below(&self, path: &[String], queries: &[Select]) -> Vec<KnownColumn> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        for select in queries {
            let called = select.tables.iter().position(|table| table.name.as_ref() == Some(first));
            if let Some(index) = called {
                let columns = self.of_table(select, index);
                // The elements of a list are a table with one column of its name.
                let is_own = |column: &&KnownColumn| column.name == *first && !column.fields.is_empty();
                return match (columns.as_slice(), rest) {
                    ([only], _) if is_own(&only) => fields(only.clone(), rest),
                    (_, []) => columns,
                    (_, [name, rest @ ..]) => {
                        find(columns, name).map(|column| fields(column, rest)).unwrap_or_default()
                    }
                };
            }
            // A table may be called by its source's name too, `orders.order_placed.total`.
            if let [name, rest @ ..] = rest {
                let of_source = |table: &Table| {
                    matches!(&table.relation,
                    Relation::Named { source, name: own } if source.as_ref() == Some(first) && own == name)
                };
                if let Some(index) = select.tables.iter().position(of_source) {
                    let columns = self.of_table(select, index);
                    return match rest {
                        [] => columns,
                        [name, rest @ ..] => find(columns, name).map(|column| fields(column, rest)).unwrap_or_default(),
                    };
                }
            }
            let columns = self.columns(select).into_iter().map(|(_, column)| column).collect();
            if let Some(column) = find(columns, first) {
                return fields(column, rest);
            }
        }
        Vec::new()
    }

    /// The column that a path leads to, from the innermost query on.
    pub(super) fn column(&self, path: &[String], queries: &[Select]) -> Option<KnownColumn> {
        let (name, before) = path.split_last()?;
        if !before.is_empty() {
            return match name.as_str() {
                ELEMENT => self.column(before, queries),
                name => find(self.below(before, queries), name),
            };
        }
        queries.iter().find_map(|select| {
            let columns = self.columns(select).into_iter().map(|(_, column)| column).collect();
            find(columns, name)
        })
    }

    fn of_table(&self, select: &Select, index: usize) -> Vec<KnownColumn> {
        let Some(left) = self.looks_left.get().checked_sub(1) else { return Vec::new() };
        self.looks_left.set(left);
        let table = &select.tables[index];
        let mut columns = match &table.relation {
            Relation::Named { .. } => self.relation(table).map(|known| known.columns.clone()).unwrap_or_default(),
            Relation::Query(query) => self.given(query),
            Relation::Elements(path) => {
                // They read what stands left of them.
                let left = Select { tables: select.tables[..index].to_vec(), items: Vec::new() };
                let element = self.column(path, &[left]).unwrap_or_default();
                vec![KnownColumn { name: table.name.clone().unwrap_or_default(), type_name: String::new(), ..element }]
            }
            Relation::Unknown => Vec::new(),
        };
        for (at, name) in table.columns.iter().enumerate() {
            match columns.get_mut(at) {
                Some(column) => column.name.clone_from(name),
                None => columns.push(KnownColumn { name: name.clone(), ..KnownColumn::default() }),
            }
        }
        columns.extend(table.added.iter().map(|name| KnownColumn {
            name: (*name).to_owned(),
            about: "A bound of the window.".to_owned(),
            ..KnownColumn::default()
        }));
        columns
    }

    /// The columns that a query gives.
    pub(super) fn given(&self, select: &Select) -> Vec<KnownColumn> {
        let mut given = Vec::new();
        for item in &select.items {
            match item {
                Item::All { of } => given.extend(
                    self.columns(select)
                        .into_iter()
                        .filter(|(table, _)| of.is_none() || table == of)
                        .map(|(_, column)| column),
                ),
                Item::Column { name, path, .. } => {
                    let column = self.column(path, std::slice::from_ref(select)).unwrap_or_default();
                    let is_element = path.last().is_some_and(|last| last == ELEMENT);
                    let type_name = if is_element { String::new() } else { column.type_name };
                    given.push(KnownColumn { name: name.clone(), type_name, ..column });
                }
            }
        }
        given
    }
}

fn find(columns: Vec<KnownColumn>, name: &str) -> Option<KnownColumn> {
    columns.into_iter().find(|column| column.name == name)
}

fn fields(column: KnownColumn, path: &[String]) -> Vec<KnownColumn> {
    match path {
        [] => column.fields,
        [element, rest @ ..] if element == ELEMENT => fields(column, rest),
        [name, rest @ ..] => find(column.fields, name).map(|column| fields(column, rest)).unwrap_or_default(),
    }
}
