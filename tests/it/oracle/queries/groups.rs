//! Groups and totals, with conditions and expressions over their aggregates.

use super::super::aggregates::aggregate;
use super::super::expressions::{Column, Expressions};
use super::super::syntax::{Expr, Query};
use super::items::Items;
use super::relations::Relation;
use super::{Made, Queries};

impl Queries<'_> {
    pub(super) fn groups(&mut self, levels: usize) -> Made {
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

    pub(super) fn total(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("no group by".into());
        let filter = self.filter(&relation);
        self.aggregated(relation, filter, Items::default())
    }

    /// Adds aggregates, and perhaps expressions and a condition over them.
    pub(super) fn aggregated(&mut self, relation: Relation, filter: Option<Expr>, mut items: Items) -> Made {
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
}
