//! What a query selects from: events, earlier projections, other queries, and joins of them.

use super::super::expressions::{Column, Expressions};
use super::super::syntax::{Expr, From, expr};
use super::super::types::Type;
use super::items::{metadata, spread};
use super::{Made, Queries};

/// Something to select from.
#[derive(Clone)]
pub(super) struct Relation {
    pub(super) from: From,
    pub(super) columns: Vec<Column>,
    pub(super) append_only: bool,
    pub(super) in_stream_order: bool,
    pub(super) row_wise: bool,
    /// Of the rows of one event relation, the column that tells them apart.
    pub(super) key: Option<&'static str>,
    /// Whether columns are written with a name ahead, so that a subquery can tell them from its own.
    pub(super) qualified: bool,
}

impl Queries<'_> {
    pub(super) fn relation(&mut self, levels: usize) -> Relation {
        // What fails below a join need not fail alone: without a partner it may never be computed.
        if self.may_fail {
            return self.simple_relation(levels);
        }
        if levels > 0 && self.random.bool() {
            return self.join(levels - 1);
        }
        let relation = self.simple_relation(levels);
        if self.random.u8(..3) == 0 { self.named(relation) } else { relation }
    }

    pub(super) fn simple_relation(&mut self, levels: usize) -> Relation {
        if levels > 0 && self.random.u8(..3) > 0 {
            let made = self.query(levels - 1);
            let with = self.random.bool();
            return self.subquery(made, with);
        }
        if !self.known.is_empty() && self.random.bool() {
            self.reached("projection over projection");
            let known = &self.known[self.random.usize(..self.known.len())];
            return Relation {
                from: From::Table(known.name.clone()),
                columns: known.columns.clone(),
                append_only: known.append_only,
                in_stream_order: false,
                row_wise: false,
                key: None,
                qualified: false,
            };
        }
        self.events()
    }

    pub(super) fn subquery(&mut self, made: Made, with: bool) -> Relation {
        let from = From::Query { query: made.query, name: self.name(), with };
        let Made { columns, append_only, in_stream_order, row_wise, .. } = made;
        Relation { from, columns, append_only, in_stream_order, row_wise, key: None, qualified: false }
    }

    pub(super) fn events(&mut self) -> Relation {
        if self.random.u8(..12) == 0 {
            return self.in_windows();
        }
        let event_type = &self.types[self.random.usize(..self.types.len())];
        // Some of what every event has; the rest can be NULL.
        let mut columns = metadata();
        columns.retain(|column| column.sql == "_key" || self.random.bool());
        let table = if self.random.u8(..4) == 0 {
            for event_type in self.types.iter().filter(|other| other.source == event_type.source) {
                let fields = event_type.fields.iter().map(|field| (field.name.clone(), field.field_type.clone()));
                spread(&event_type.name, &Type::Struct(fields.collect()), &mut columns);
            }
            self.features.insert("events of all types".to_owned());
            "events"
        } else {
            event_type.fields.iter().for_each(|field| spread(&field.name, &field.field_type, &mut columns));
            &event_type.name
        };
        Relation {
            from: From::Table(format!("{}.{table}", event_type.source)),
            columns,
            append_only: true,
            in_stream_order: true,
            row_wise: true,
            key: Some("_seq"),
            qualified: false,
        }
    }

    /// Two relations side by side, on equal values and perhaps more.
    fn join(&mut self, levels: usize) -> Relation {
        if self.random.u8(..8) == 0 {
            return self.as_of(levels);
        }
        let kind =
            ["INNER", "INNER", "INNER", "LEFT", "LEFT", "RIGHT", "RIGHT", "FULL", "FULL"][self.random.usize(..9)];
        let (left, right) = self.sides(levels);
        let columns = [left.columns.clone(), right.columns.clone()].concat();
        let append_only = kind == "INNER" && left.append_only && right.append_only;
        let shared = shared_columns(&left, &right);
        let both =
            Relation { columns, append_only, in_stream_order: false, row_wise: false, key: None, ..left.clone() };
        self.reached(format!("{} join", kind.to_lowercase()));
        let using = !shared.is_empty() && self.random.u8(..3) == 0;
        let on = if using {
            self.reached("join using");
            expr(&shared[self.random.usize(..shared.len())], [])
        } else {
            self.equality(&left, &right, &both)
        };
        Relation {
            from: From::Join { left: Box::new(left.from), kind, right: Box::new(right.from), on, using },
            qualified: true,
            ..both
        }
    }

    /// The rows of one relation with the latest one of another that is not later.
    fn as_of(&mut self, levels: usize) -> Relation {
        let kind = ["ASOF", "ASOF LEFT"][self.random.usize(..2)];
        let (left, right) = self.sides(levels);
        let columns = [left.columns.clone(), right.columns.clone()].concat();
        let keys = self.equal(&left, &right);
        let sign = [">=", ">=", ">", "<="][self.random.usize(..4)];
        let mut compared = self.alike(&left, &right);
        if let Some(at) = self.times(&left, &right).filter(|_| self.random.u8(..3) > 0) {
            compared = at;
        }
        self.reached(format!("{} join", kind.to_lowercase()));
        let (one, other, _) = compared;
        let on = expr(format!("(§ AND (§ {sign} §))"), [keys, one, other]);
        Relation {
            from: From::Join { left: Box::new(left.from), kind, right: Box::new(right.from), on, using: false },
            columns,
            append_only: false,
            in_stream_order: false,
            row_wise: false,
            key: None,
            qualified: true,
        }
    }

    /// A time of each side.
    fn times(&mut self, left: &Relation, right: &Relation) -> Option<(Expr, Expr, Type)> {
        let of = Type::Timestamp;
        Some((self.expressions(left).column(&of)?, self.expressions(right).column(&of)?, of))
    }

    /// The events of a type in windows of time.
    fn in_windows(&mut self) -> Relation {
        let event_type = &self.types[self.random.usize(..self.types.len())];
        let mut columns = Vec::new();
        event_type.fields.iter().for_each(|field| spread(&field.name, &field.field_type, &mut columns));
        for name in ["window_start", "window_end"] {
            columns.push(Column { sql: name.to_owned(), column_type: Type::Timestamp });
        }
        let table = format!("{}.{}", event_type.source, event_type.name);
        let (name, call) = match self.random.u8(..4) {
            0 => ("tumble", format!("TUMBLE({table}, _time, INTERVAL '20 seconds')")),
            1 => ("hop", format!("HOP({table}, _time, INTERVAL '10 seconds', INTERVAL '20 seconds')")),
            2 => ("session", format!("SESSION({table}, _time, INTERVAL '5 seconds')")),
            _ => ("session by key", format!("SESSION({table}, _time, INTERVAL '10 seconds', _key)")),
        };
        self.reached(format!("{name} in FROM"));
        let is_session = name.starts_with("session");
        Relation {
            from: From::Table(call),
            columns,
            append_only: !is_session,
            in_stream_order: false,
            row_wise: !is_session,
            key: None,
            qualified: false,
        }
    }

    /// The rows of one side of a join that have a partner, and as often as they have one.
    pub(super) fn with_a_partner(&mut self, levels: usize) -> Relation {
        let (left, right) = self.sides(levels);
        let columns = [left.columns.clone(), right.columns.clone()].concat();
        let both = Relation { columns, row_wise: false, ..left.clone() };
        let mut on = self.equal(&left, &right);
        if self.random.bool() {
            on = self.further(on, &left, &right);
        }
        let append_only = left.append_only && right.append_only;
        let columns = if self.random.u8(..3) > 0 { right.columns.clone() } else { left.columns.clone() };
        let from =
            From::Join { left: Box::new(left.from), kind: "INNER", right: Box::new(right.from), on, using: false };
        Relation { from, columns, append_only, in_stream_order: false, key: None, qualified: true, ..both }
    }

    /// Two relations with names of their own: now and then the same one twice.
    fn sides(&mut self, levels: usize) -> (Relation, Relation) {
        let left = self.simple_relation(levels);
        if self.random.bool() {
            let right = self.simple_relation(levels);
            return (self.named(left), self.named(right));
        }
        match left.from.clone() {
            From::Query { query, name, .. } => {
                self.reached("WITH read twice");
                let again = Relation { from: From::Table(name.clone()), ..left.clone() };
                let left = Relation { from: From::Query { query, name, with: true }, ..left };
                (self.named(left), self.named(again))
            }
            _ => {
                self.reached("self-join");
                (self.named(left.clone()), self.named(left))
            }
        }
    }

    /// One or two equal values, and perhaps a further condition.
    fn equality(&mut self, left: &Relation, right: &Relation, both: &Relation) -> Expr {
        let mut on = self.equal(left, right);
        if self.random.u8(..6) == 0 {
            on = expr("(§ AND §)", [on, self.equal(left, right)]);
        }
        if self.random.u8(..5) > 1 {
            self.reached("join with a condition");
            // What names one side only is moved below most joins.
            on = match self.random.u8(..4) {
                0 => expr("(§ AND §)", [on, self.expressions(both).mostly(1)]),
                _ => self.further(on, left, right),
            };
        }
        on
    }

    pub(super) fn equal(&mut self, left: &Relation, right: &Relation) -> Expr {
        let (one, other, _) = self.alike(left, right);
        let sign = if self.random.u8(..6) == 0 { "IS NOT DISTINCT FROM" } else { "=" };
        expr(format!("(§ {sign} §)"), [one, other])
    }

    /// With a further condition over both sides, which holds for many of the pairs for which `on` does.
    pub(super) fn further(&mut self, on: Expr, left: &Relation, right: &Relation) -> Expr {
        let (one, other, _) = self.alike(left, right);
        // What is equal is not unequal, too.
        let signs = if on.to_string().contains(&one.to_string()) { 0..4 } else { 0..5 };
        let sign = ["<=", "<=", ">=", ">=", "<>"][self.random.usize(signs)];
        let further = expr(format!("(§ {sign} §)"), [one, other]);
        let further = if self.random.u8(..4) > 0 { expr("coalesce(§, true)", [further]) } else { further };
        expr("(§ AND §)", [on, further])
    }

    /// A value of each side, of one type: often the same column of both, so that some are equal.
    pub(super) fn alike(&mut self, left: &Relation, right: &Relation) -> (Expr, Expr, Type) {
        let pairs = left.columns.iter().flat_map(|one| right.columns.iter().map(move |other| (one, other)));
        let alike = pairs.filter(|(one, other)| one.column_type.is_scalar() && one.column_type == other.column_type);
        let (same, others): (Vec<_>, Vec<_>) = alike.partition(|(one, other)| bare(one) == bare(other));
        // What is known of every event is of no other column's values, and mostly differs.
        let others: Vec<_> =
            others.into_iter().filter(|(one, other)| !is_metadata(one) && !is_metadata(other)).collect();
        let telling = |(one, _): &&(&Column, &Column)| is_telling(one);
        let same: Vec<_> = if self.random.u8(..6) > 0 { same.iter().filter(telling).copied().collect() } else { same };
        let chosen = if others.is_empty() || self.random.u8(..3) > 0 { same } else { others };
        if !chosen.is_empty() && self.random.u8(..12) > 0 {
            let (one, other) = chosen[self.random.usize(..chosen.len())];
            return (expr(&one.sql, []), expr(&other.sql, []), one.column_type.clone());
        }
        let (one, of) = self.expressions(left).key(0);
        if self.random.u8(..6) == 0 {
            return (one, self.expressions(right).of(&of, 0), of);
        }
        // Columns that have no value in common may both have one.
        let (other, _) = self.expressions(right).key(0);
        (expr("(§ IS NULL)", [one]), expr("(§ IS NULL)", [other]), Type::Bool)
    }

    /// The relation under a name of its own, which its columns bear too.
    pub(super) fn named(&mut self, relation: Relation) -> Relation {
        let (from, name) = match relation.from {
            From::Table(table) => {
                let name = self.name();
                (From::Table(format!("{table} AS {name}")), name)
            }
            From::Query { query, name, with } => (From::Query { query, name: name.clone(), with }, name),
            join => return Relation { from: join, ..relation },
        };
        let columns = relation.columns.into_iter();
        let columns = columns.map(|column| Column { sql: format!("{name}.{}", column.sql), ..column }).collect();
        Relation { from, columns, qualified: true, ..relation }
    }

    pub(super) fn expressions<'b>(&'b mut self, relation: &'b Relation) -> Expressions<'b> {
        // What fails over rows of several events puts the whole projection in error, so most do not.
        let may_fail = self.may_fail && (relation.row_wise || self.random.u8(..3) == 0);
        Expressions { random: &mut *self.random, columns: &relation.columns, may_fail }
    }
}

/// Columns of the same name and type on both sides.
fn shared_columns(left: &Relation, right: &Relation) -> Vec<String> {
    let is_shared = |column: &&Column| {
        let same = |other: &Column| bare(other) == bare(column) && other.column_type == column.column_type;
        column.column_type.is_scalar() && !column.sql.contains('[') && right.columns.iter().any(same)
    };
    left.columns.iter().filter(is_shared).filter(|column| is_telling(column)).map(bare).collect()
}

/// Whether this is what every event has. A projection's columns have other names.
fn is_metadata(column: &Column) -> bool {
    metadata().iter().any(|known| known.sql == bare(column))
}

/// Whether events that share it have something in common.
fn is_telling(column: &Column) -> bool {
    !is_metadata(column) || bare(column) == "_key"
}

/// A column's name without that of its relation.
fn bare(column: &Column) -> String {
    column.sql.split_once('.').map_or(column.sql.clone(), |(_, name)| name.to_owned())
}
