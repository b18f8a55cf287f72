//! Selections without groups: rows, distinct ones, the first ones of an order, and elements of lists.

use super::super::expressions::Expressions;
use super::super::syntax::{Distinct, Expr, Query, expr};
use super::super::types::Type;
use super::items::Items;
use super::relations::Relation;
use super::{Made, Queries};

impl Queries<'_> {
    /// The relation with a condition on its rows, or without one.
    pub(super) fn filtered(&mut self, relation: Relation) -> (Relation, Option<Expr>) {
        if self.random.u8(..3) > 0 {
            return (relation, None);
        }
        let (relation, condition) = self.with_condition(relation);
        (relation, Some(condition))
    }

    /// The relation and a condition on its rows.
    pub(super) fn with_condition(&mut self, relation: Relation) -> (Relation, Expr) {
        if !self.may_fail && self.random.u8(..3) > 0 {
            // Most subqueries ask for something of the outer row.
            let relation = if relation.qualified || self.random.u8(..4) == 0 { relation } else { self.named(relation) };
            let condition = self.subquery_condition(&relation);
            // What another relation decides can be taken back.
            return (Relation { append_only: false, ..relation }, condition);
        }
        self.reached("filter");
        let condition = self.expressions(&relation).mostly(2);
        (relation, condition)
    }

    /// A selection without groups.
    pub(super) fn rows(&mut self, levels: usize) -> Made {
        let mut relation = self.relation(levels);
        if !self.may_fail && self.random.u8(..10) == 0 {
            relation = self.lateral(relation);
        }
        let (mut relation, filter) = self.filtered(relation);
        self.reached("project");
        let mut items = Items::default();
        let key = relation.key.filter(|_| self.random.u8(..3) > 0);
        if let Some(key) = key {
            items.push(expr(key, []), Type::Int);
        }
        for _ in 0..self.random.usize(1..=3) {
            let (item, of) = self.expressions(&relation).any(2);
            items.push(item, of);
        }
        if !self.may_fail && self.random.u8(..6) == 0 {
            let (item, of) = match self.random.bool() {
                true => self.scalar_subquery(&relation),
                false => self.subquery_truth(&relation),
            };
            items.push(item, of);
            relation.append_only = false;
        }
        let Relation { append_only, in_stream_order, row_wise, .. } = relation;
        let key = key.map(|_| vec!["c0".to_owned()]);
        Made { append_only, in_stream_order, row_wise, key, ..items.select(relation.from, filter) }
    }

    /// The first rows of an order, or of none.
    pub(super) fn limited(&mut self, levels: usize) -> Made {
        let mut made = match self.random.u8(..9) {
            0..=3 => self.rows(levels),
            4..=7 => self.groups(levels),
            _ => self.total(levels),
        };
        self.reached("limit");
        let may_fail = self.may_fail && (made.row_wise || self.random.u8(..3) == 0);
        let mut of_made = Expressions { random: &mut *self.random, columns: &made.columns, may_fail };
        let direction = ["", " DESC", " DESC NULLS LAST"][of_made.random.usize(..3)];
        let order = expr(format!("§{direction}"), [of_made.key(1).0]);
        let mut ties = false;
        let offset = if self.random.u8(..3) == 0 { " OFFSET 1" } else { "" };
        if let Query::Select(select) = &mut made.query {
            if self.random.u8(..5) > 0 {
                select.order = vec![order];
            }
            let number = self.random.u8(1..5);
            select.limit = match !select.order.is_empty() && offset.is_empty() && self.random.u8(..4) == 0 {
                true => {
                    ties = true;
                    format!(" FETCH FIRST {number} ROWS WITH TIES")
                }
                false => format!(" LIMIT {number}{offset}"),
            };
        }
        if ties {
            self.reached("limit with ties");
        }
        Made { append_only: false, in_stream_order: false, row_wise: false, ..made }
    }

    pub(super) fn distinct(&mut self, levels: usize) -> Made {
        let mut made = self.rows(levels);
        self.reached("distinct");
        if let Query::Select(select) = &mut made.query {
            select.distinct = Some(Distinct::All);
        }
        let key = made.columns.iter().filter(|column| !column.sql.contains('[')).map(|column| column.sql.clone());
        let key = key.collect();
        Made { key: Some(key), in_stream_order: false, row_wise: false, ..made }
    }

    /// Different values of one side of a join: the other side only says which rows.
    pub(super) fn one_side(&mut self, levels: usize) -> Made {
        let relation = self.with_a_partner(levels);
        self.reached("distinct values of one side of a join");
        let mut items = Items::default();
        for _ in 0..self.random.usize(1..=2) {
            let (item, of) = self.expressions(&relation).key(0);
            items.push(item, of);
        }
        let key = items.names();
        let mut made = items.select(relation.from, None);
        if let Query::Select(select) = &mut made.query {
            select.distinct = Some(Distinct::All);
        }
        Made { key: Some(key), append_only: relation.append_only, ..made }
    }

    pub(super) fn distinct_on(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        let (relation, filter) = self.filtered(relation);
        self.reached("distinct on");
        // DataFusion computes its keys for rows that the condition leaves out, too.
        let mut expressions = Expressions { may_fail: false, ..self.expressions(&relation) };
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

    /// One row an element of a list, over a relation that has lists; else groups.
    pub(super) fn unnest(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.unnest_of(relation, levels)
    }

    /// The same over lists that change, for they are collected by groups.
    pub(super) fn unnest_of_groups(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels.saturating_sub(1));
        let in_stream_order = relation.in_stream_order;
        let mut e = self.expressions(&relation);
        let mut items = Items::default();
        let (group, of) = e.key(0);
        items.push(group.clone(), of);
        let (item, of) = e.scalar(0);
        let order = if in_stream_order { String::new() } else { format!(" ORDER BY {}", e.key(0).0) };
        items.push(expr(format!("collect(§{order})"), [item]), Type::List(Box::new(of)));
        let mut made = items.select(relation.from, None);
        if let Query::Select(select) = &mut made.query {
            select.groups = vec![group];
        }
        let with = self.random.bool();
        let groups = self.subquery(made, with);
        self.unnest_of(groups, levels)
    }

    fn unnest_of(&mut self, relation: Relation, levels: usize) -> Made {
        let (relation, filter) = self.filtered(relation);
        let lists = relation.columns.iter().filter_map(|column| match &column.column_type {
            Type::List(item) => Some((column.sql.clone(), (**item).clone())),
            _ => None,
        });
        let lists: Vec<(String, Type)> = lists.collect();
        if lists.is_empty() {
            return self.groups(levels);
        }
        self.reached("unnest");
        let (list, item) = lists[self.random.usize(..lists.len())].clone();
        let mut items = Items::default();
        let (other, of) = self.expressions(&relation).any(1);
        items.push(expr("unnest(§)", [expr(list, [])]), item);
        items.push(other, of);
        let Relation { append_only, in_stream_order, row_wise, .. } = relation;
        Made { append_only, in_stream_order, row_wise, ..items.select(relation.from, filter) }
    }
}
