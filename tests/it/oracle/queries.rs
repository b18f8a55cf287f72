//! Random queries over everything that can be kept: rows, groups, distinct rows, unions and unnested lists, in levels
//! over each other.

use std::collections::BTreeSet;

use super::aggregates::aggregate;
use super::expressions::{Column, Expressions};
use super::syntax::{Distinct, Expr, From, Query, Select, expr};
use super::types::{EventType, Type};

/// A query, and what is known of its result.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) query: Query,
    pub(super) columns: Vec<Column>,
    /// Columns that no two rows share, if any are known.
    pub(super) key: Option<Vec<String>>,
    /// Whether the rows are those of one event relation.
    in_stream_order: bool,
    /// Whether each row comes from one event.
    row_wise: bool,
}

/// A projection that later ones may read.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

pub(super) struct Queries<'a> {
    pub(super) random: &'a mut fastrand::Rng,
    pub(super) types: &'a [EventType],
    pub(super) known: &'a [Known],
    pub(super) may_fail: bool,
    /// What was made, for the report.
    pub(super) features: BTreeSet<String>,
    names: usize,
}

/// Something to select from.
#[derive(Clone)]
struct Relation {
    from: From,
    columns: Vec<Column>,
    in_stream_order: bool,
    row_wise: bool,
    /// Of the rows of one event relation, the column that tells them apart.
    key: Option<&'static str>,
}

impl<'a> Queries<'a> {
    pub(super) fn new(
        random: &'a mut fastrand::Rng,
        types: &'a [EventType],
        known: &'a [Known],
        may_fail: bool,
    ) -> Self {
        Self { random, types, known, may_fail, features: BTreeSet::new(), names: 0 }
    }

    /// A query with at most so many levels.
    pub(super) fn query(&mut self, levels: usize) -> Made {
        match self.random.u8(..24) {
            0..=3 => self.rows(levels),
            20 | 21 => self.window(levels),
            22 | 23 => self.limited(levels),
            4..=11 => self.groups(levels),
            12 => self.total(levels),
            13 | 14 => self.distinct(levels),
            15 | 16 => self.distinct_on(levels),
            17 => self.unnest(levels),
            _ if levels > 0 => self.union(levels),
            _ => self.groups(levels),
        }
    }

    fn relation(&mut self, levels: usize) -> Relation {
        // What fails below a join need not fail alone: without a partner it may never be computed.
        if levels > 0 && !self.may_fail && self.random.u8(..5) == 0 {
            return self.join(levels - 1);
        }
        self.simple_relation(levels)
    }

    fn simple_relation(&mut self, levels: usize) -> Relation {
        if levels > 0 && self.random.u8(..3) > 0 {
            let made = self.query(levels - 1);
            self.names += 1;
            let from = From::Query { query: made.query, name: format!("q{}", self.names), with: self.random.bool() };
            let Made { columns, in_stream_order, row_wise, .. } = made;
            return Relation { from, columns, in_stream_order, row_wise, key: None };
        }
        if !self.known.is_empty() && self.random.u8(..4) > 0 {
            let known = &self.known[self.random.usize(..self.known.len())];
            let from = From::Table(known.name.clone());
            return Relation {
                from,
                columns: known.columns.clone(),
                in_stream_order: false,
                row_wise: false,
                key: None,
            };
        }
        self.events()
    }

    fn events(&mut self) -> Relation {
        let event_type = &self.types[self.random.usize(..self.types.len())];
        let mut columns = metadata();
        let table = if self.random.u8(..4) == 0 {
            self.features.insert("events".into());
            for event_type in self.types.iter().filter(|other| other.source == event_type.source) {
                let fields = event_type.fields.iter().map(|field| (field.name.clone(), field.field_type.clone()));
                spread(&event_type.name, &Type::Struct(fields.collect()), &mut columns);
            }
            "events"
        } else {
            event_type.fields.iter().for_each(|field| spread(&field.name, &field.field_type, &mut columns));
            &event_type.name
        };
        let from = From::Table(format!("{}.{table}", event_type.source));
        Relation { from, columns, in_stream_order: true, row_wise: true, key: Some("_seq") }
    }

    /// Two relations side by side, on equal values and perhaps more.
    fn join(&mut self, levels: usize) -> Relation {
        let kind = ["INNER", "INNER", "LEFT", "RIGHT", "FULL"][self.random.usize(..5)];
        let (left, right) = (self.simple_relation(levels), self.simple_relation(levels));
        let (left, right) = (self.named(left), self.named(right));
        let mut on = None;
        for _ in 0..self.random.usize(1..=2) {
            let (one, of) = self.expressions(&left).key(0);
            let other = self.expressions(&right).of(&of, 0);
            let sign = if self.random.u8(..6) == 0 { "IS NOT DISTINCT FROM" } else { "=" };
            let equal = expr(format!("(§ {sign} §)"), [one, other]);
            on = Some(on.map_or(equal.clone(), |on| expr("(§ AND §)", [on, equal])));
        }
        let columns = [left.columns.clone(), right.columns.clone()].concat();
        let both = Relation { columns, in_stream_order: false, row_wise: false, key: None, ..left.clone() };
        if self.random.u8(..4) == 0 {
            self.features.insert("join with a condition".into());
            let condition = self.expressions(&both).bool(1);
            on = on.map(|on| expr("(§ AND §)", [on, condition]));
        }
        self.features.insert(format!("{} join", kind.to_lowercase()));
        let on = on.unwrap_or_else(|| expr("true", []));
        Relation { from: From::Join { left: Box::new(left.from), kind, right: Box::new(right.from), on }, ..both }
    }

    /// The relation under a name of its own, which its columns bear too.
    fn named(&mut self, relation: Relation) -> Relation {
        let (from, name) = match relation.from {
            From::Table(table) => {
                self.names += 1;
                let name = format!("q{}", self.names);
                (From::Table(format!("{table} AS {name}")), name)
            }
            From::Query { query, name, with } => (From::Query { query, name: name.clone(), with }, name),
            join => (join, String::new()),
        };
        let columns = relation.columns.into_iter();
        let columns = columns.map(|column| Column { sql: format!("{name}.{}", column.sql), ..column }).collect();
        Relation { from, columns, ..relation }
    }

    fn expressions<'b>(&'b mut self, relation: &'b Relation) -> Expressions<'b> {
        let may_fail = self.may_fail && relation.row_wise;
        Expressions { random: &mut *self.random, columns: &relation.columns, may_fail }
    }

    fn filter(&mut self, relation: &Relation) -> Option<Expr> {
        if self.random.u8(..3) > 0 {
            return None;
        }
        self.features.insert("filter".into());
        if !self.may_fail && self.random.u8(..8) == 0 {
            self.features.insert("in subquery".into());
            let other = self.events();
            let of = self.expressions(relation).scalar(0).1;
            let (one, many) = (self.expressions(relation).of(&of, 0), self.expressions(&other).of(&of, 0));
            return Some(expr(format!("(§ IN (SELECT {many} FROM {}))", other.from), [one]));
        }
        Some(self.expressions(relation).bool(2))
    }

    /// Functions over the rows that share a value.
    fn window(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("window".into());
        let mut items = Items::default();
        let filter = self.filter(&relation);
        let mut e = self.expressions(&relation);
        let by = e.key(0).0;
        for _ in 0..e.random.usize(1..=2) {
            let (item, of) = e.any(1);
            items.push(item, of);
        }
        for _ in 0..e.random.usize(1..=2) {
            let direction = ["", " DESC", " NULLS FIRST"][e.random.usize(..3)];
            let order = expr(format!("§{direction}"), [e.key(0).0]);
            let rows = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";
            let by = by.clone();
            let (item, of) = match e.random.u8(..6) {
                0 => (expr("row_number() OVER (PARTITION BY § ORDER BY §)", [by, order]), Type::Int),
                1 => (expr("rank() OVER (PARTITION BY § ORDER BY §)", [by, order]), Type::Int),
                2 => {
                    let (x, of) = e.any(0);
                    (expr("lag(§) OVER (PARTITION BY § ORDER BY §)", [x, by, order]), of)
                }
                3 => {
                    let x = e.of(&Type::Int, 0);
                    (expr(format!("sum(§) OVER (PARTITION BY § ORDER BY § {rows})"), [x, by, order]), Type::Int)
                }
                4 => {
                    let (x, of) = e.scalar(0);
                    (expr("max(§) OVER (PARTITION BY §)", [x, by]), of)
                }
                _ => {
                    let (x, of) = e.any(0);
                    (expr(format!("last_value(§) OVER (PARTITION BY § ORDER BY § {rows})"), [x, by, order]), of)
                }
            };
            items.push(item, of);
        }
        items.select(relation.from, filter)
    }

    /// The first rows of an order.
    fn limited(&mut self, levels: usize) -> Made {
        let mut made = if self.random.bool() { self.rows(levels) } else { self.groups(levels) };
        self.features.insert("limit".into());
        let mut of_made = Expressions { random: &mut *self.random, columns: &made.columns, may_fail: false };
        let direction = ["", " DESC", " DESC NULLS LAST"][of_made.random.usize(..3)];
        let order = expr(format!("§{direction}"), [of_made.key(0).0]);
        let offset = if self.random.u8(..3) == 0 { " OFFSET 1" } else { "" };
        if let Query::Select(select) = &mut made.query {
            select.order = vec![order];
            select.limit = format!(" LIMIT {}{offset}", self.random.u8(..5));
        }
        Made { in_stream_order: false, row_wise: false, ..made }
    }

    /// A selection without groups.
    fn rows(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("project".into());
        let mut items = Items::default();
        let key = relation.key.filter(|_| self.random.u8(..3) > 0);
        if let Some(key) = key {
            items.push(expr(key, []), Type::Int);
        }
        for _ in 0..self.random.usize(1..=3) {
            let (item, of) = self.expressions(&relation).any(2);
            items.push(item, of);
        }
        let filter = self.filter(&relation);
        let (in_stream_order, row_wise) = (relation.in_stream_order, relation.row_wise);
        let key = key.map(|_| vec!["c0".to_owned()]);
        Made { in_stream_order, row_wise, key, ..items.select(relation.from, filter) }
    }

    fn distinct(&mut self, levels: usize) -> Made {
        let mut made = self.rows(levels);
        self.features.insert("distinct".into());
        if let Query::Select(select) = &mut made.query {
            select.distinct = Some(Distinct::All);
        }
        let key = made.columns.iter().filter(|column| !column.sql.contains('[')).map(|column| column.sql.clone());
        let key = key.collect();
        Made { key: Some(key), in_stream_order: false, row_wise: false, ..made }
    }

    fn distinct_on(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("distinct on".into());
        let filter = self.filter(&relation);
        let mut expressions = self.expressions(&relation);
        let (on, of) = expressions.key(1);
        let by = expressions.key(1).0;
        let mut items = Items::default();
        items.push(on.clone(), of);
        for _ in 0..expressions.random.usize(1..=2) {
            let (item, of) = expressions.any(1);
            items.push(item, of);
        }
        let direction = ["", " DESC", " DESC NULLS LAST"][expressions.random.usize(..3)];
        let mut made = items.select(relation.from, filter);
        if let Query::Select(select) = &mut made.query {
            select.distinct = Some(Distinct::On(vec![on.clone()]));
            select.order = vec![on, expr(format!("§{direction}"), [by])];
        }
        Made { key: Some(vec!["c0".to_owned()]), ..made }
    }

    fn groups(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("group by".into());
        let filter = self.filter(&relation);
        let mut items = Items::default();
        let mut groups = Vec::new();
        for _ in 0..[1, 1, 1, 2, 3][self.random.usize(..5)] {
            let mut expressions = self.expressions(&relation);
            let (group, of) = if expressions.random.u8(..5) == 0 { expressions.any(0) } else { expressions.key(1) };
            if !groups.contains(&group) {
                groups.push(group.clone());
                items.push(group, of);
            }
        }
        let key = (0..groups.len()).map(|place| format!("c{place}")).collect();
        let mut made = self.aggregated(relation, filter, items);
        if let Query::Select(select) = &mut made.query {
            select.groups = groups;
        }
        Made { key: Some(key), ..made }
    }

    fn total(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("no group by".into());
        let filter = self.filter(&relation);
        self.aggregated(relation, filter, Items::default())
    }

    /// Adds aggregates, and perhaps expressions and a condition over them.
    fn aggregated(&mut self, relation: Relation, filter: Option<Expr>, mut items: Items) -> Made {
        let mut calls = Vec::new();
        for _ in 0..self.random.usize(1..=4) {
            let in_stream_order = relation.in_stream_order;
            let (call, of, name) = aggregate(&mut self.expressions(&relation), in_stream_order);
            let over = if relation.key.is_some() { "events" } else { "derived rows" };
            self.features.insert(format!("{name} over {over}"));
            calls.push(Column { sql: call.to_string(), column_type: of.clone() });
            items.push(call, of);
        }
        let mut above = Expressions { random: &mut *self.random, columns: &calls, may_fail: false };
        if above.random.u8(..3) == 0 {
            let (item, of) = above.scalar(2);
            items.push(item, of);
        }
        let having = (above.random.u8(..4) == 0).then(|| above.bool(1));
        let mut made = items.select(relation.from, filter);
        if let Query::Select(select) = &mut made.query
            && let Some(having) = having
        {
            self.features.insert("having".into());
            select.having = Some(having);
        }
        made
    }

    /// One row an element of a list, over a relation that has lists; else groups.
    fn unnest(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        let lists = relation.columns.iter().filter_map(|column| match &column.column_type {
            Type::List(item) => Some((column.sql.clone(), (**item).clone())),
            _ => None,
        });
        let lists: Vec<(String, Type)> = lists.collect();
        if lists.is_empty() {
            return self.groups(levels);
        }
        self.features.insert("unnest".into());
        let (list, item) = lists[self.random.usize(..lists.len())].clone();
        let mut items = Items::default();
        let (other, of) = self.expressions(&relation).any(1);
        items.push(other, of);
        items.push(expr("unnest(§)", [expr(list, [])]), item);
        let filter = self.filter(&relation);
        let (in_stream_order, row_wise) = (relation.in_stream_order, relation.row_wise);
        Made { in_stream_order, row_wise, ..items.select(relation.from, filter) }
    }

    /// Two selections with columns of like types.
    fn union(&mut self, levels: usize) -> Made {
        self.features.insert("union all".into());
        let (one, other) = (self.relation(levels - 1), self.relation(levels - 1));
        let mut queries = Vec::new();
        let mut columns = Vec::new();
        let row_wise = one.row_wise && other.row_wise;
        let types: Vec<Type> = (0..self.random.usize(1..=3)).map(|_| self.expressions(&one).scalar(0).1).collect();
        for relation in [one, other] {
            let mut items = Items::default();
            for of in &types {
                items.push(self.expressions(&relation).of(of, 1), of.clone());
            }
            let filter = self.filter(&relation);
            let made = items.select(relation.from, filter);
            queries.push(made.query);
            columns = made.columns;
        }
        Made { query: Query::Union(queries), columns, key: None, in_stream_order: false, row_wise }
    }
}

/// The items of a selection, named `c0`, `c1` and so on.
#[derive(Default)]
struct Items {
    items: Vec<(Expr, String)>,
    columns: Vec<Column>,
}

impl Items {
    fn push(&mut self, item: Expr, of: Type) {
        let name = format!("c{}", self.items.len());
        self.items.push((item, name.clone()));
        spread(&name, &of, &mut self.columns);
    }

    fn select(self, from: From, filter: Option<Expr>) -> Made {
        let select = Select {
            distinct: None,
            items: self.items,
            from,
            filter,
            groups: Vec::new(),
            having: None,
            order: Vec::new(),
            limit: String::new(),
        };
        Made {
            query: Query::Select(Box::new(select)),
            columns: self.columns,
            key: None,
            in_stream_order: false,
            row_wise: false,
        }
    }
}

/// A column, and the fields of a struct column.
fn spread(name: &str, of: &Type, columns: &mut Vec<Column>) {
    columns.push(Column { sql: name.to_owned(), column_type: of.clone() });
    if let Type::Struct(fields) = of {
        for (field, of) in fields {
            spread(&format!("{name}['{field}']"), of, columns);
        }
    }
}

fn metadata() -> Vec<Column> {
    let column = |name: &str, column_type| Column { sql: name.to_owned(), column_type };
    vec![
        column("_seq", Type::Int),
        column("_key", Type::Text),
        column("_type", Type::Text),
        column("_time", Type::Timestamp),
        column("_late", Type::Bool),
    ]
}
