//! What a query selects from: events, earlier projections, other queries, and joins of them.

use super::super::expressions::{Column, Expressions};
use super::super::syntax::{From, expr};
use super::super::types::Type;
use super::items::{metadata, spread};
use super::{Made, Queries};

/// Something to select from.
#[derive(Clone)]
pub(super) struct Relation {
    pub(super) from: From,
    pub(super) columns: Vec<Column>,
    pub(super) in_stream_order: bool,
    pub(super) row_wise: bool,
    /// Of the rows of one event relation, the column that tells them apart.
    pub(super) key: Option<&'static str>,
}

impl Queries<'_> {
    pub(super) fn relation(&mut self, levels: usize) -> Relation {
        // What fails below a join need not fail alone: without a partner it may never be computed.
        if levels > 0 && !self.may_fail && self.random.u8(..5) == 0 {
            return self.join(levels - 1);
        }
        self.simple_relation(levels)
    }

    pub(super) fn simple_relation(&mut self, levels: usize) -> Relation {
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

    pub(super) fn events(&mut self) -> Relation {
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
    pub(super) fn join(&mut self, levels: usize) -> Relation {
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
    pub(super) fn named(&mut self, relation: Relation) -> Relation {
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

    pub(super) fn expressions<'b>(&'b mut self, relation: &'b Relation) -> Expressions<'b> {
        let may_fail = self.may_fail && relation.row_wise;
        Expressions { random: &mut *self.random, columns: &relation.columns, may_fail }
    }
}
