//! Groups and totals, with conditions and expressions over their aggregates.

use super::super::aggregates::aggregate;
use super::super::expressions::{Column, Expressions};
use super::super::syntax::{Expr, Query, expr};
use super::super::types::Type;
use super::items::Items;
use super::relations::Relation;
use super::{Made, Queries};

const SETS: [&str; 3] = ["ROLLUP", "CUBE", "GROUPING SETS"];

impl Queries<'_> {
    pub(super) fn groups(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        let (relation, filter) = self.filtered(relation);
        let grouping = if self.random.u8(..5) == 0 { SETS[self.random.usize(..3)] } else { "" };
        let mut items = Items::default();
        let mut groups = Vec::new();
        for _ in 0..[1, 1, 1, 2, 3][self.random.usize(..5)] {
            let (group, of) = self.group(&relation);
            if !groups.contains(&group) {
                groups.push(group.clone());
                items.push(group, of);
            }
        }
        let names = items.names();
        let is_plain = grouping.is_empty();
        self.reached(if is_plain { "group by" } else { grouping });
        for group in groups.iter().filter(|_| !is_plain) {
            if self.random.bool() {
                self.reached("grouping()");
                items.push(expr("grouping(§)", [group.clone()]), Type::Int);
            }
        }
        let mut made = self.aggregated(relation, filter, items);
        if let Query::Select(select) = &mut made.query {
            select.groups = groups;
            select.grouping = grouping;
        }
        // A key that a set leaves out is NULL, like one that is NULL.
        Made { key: is_plain.then_some(names), ..made }
    }

    fn group(&mut self, relation: &Relation) -> (Expr, Type) {
        let time = relation.columns.iter().find(|column| column.sql.ends_with("_time"));
        if let Some(time) = time.filter(|_| self.random.u8(..6) == 0) {
            self.reached("group by span of time");
            let time = expr(&time.sql, []);
            let span = match self.random.bool() {
                true => expr("date_trunc('minute', §)", [time]),
                false => expr("date_bin(INTERVAL '30 seconds', §)", [time]),
            };
            return (span, Type::Timestamp);
        }
        let mut expressions = self.expressions(relation);
        if expressions.random.u8(..5) == 0 { expressions.any(0) } else { expressions.key(1) }
    }

    pub(super) fn total(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        let (relation, filter) = self.filtered(relation);
        self.reached("no group by");
        self.aggregated(relation, filter, Items::default())
    }

    /// Adds aggregates, and perhaps expressions and a condition over them.
    pub(super) fn aggregated(&mut self, relation: Relation, filter: Option<Expr>, mut items: Items) -> Made {
        let mut calls = Vec::new();
        // DataFusion sorts for one list only. For more, it compares whole rows by functions that fail on structs with
        // lists in them, and takes them for equal.
        let mut has_list = false;
        let fewest = if relation.append_only { 3 } else { 2 };
        for _ in 0..self.random.usize(fewest..=fewest + 4) {
            let in_stream_order = relation.in_stream_order;
            let (call, of, name) = aggregate(&mut self.expressions(&relation), in_stream_order);
            let is_list = matches!(of, Type::List(_))
                || ["string_agg", "jsonb_agg", "nth_value", "nth_value distinct"].contains(&name);
            if is_list && std::mem::replace(&mut has_list, !in_stream_order) {
                continue;
            }
            let over = if relation.append_only { "rows that stay" } else { "rows that change" };
            self.reached(format!("{name} over {over}"));
            calls.push(Column { sql: call.to_string(), column_type: of.clone() });
            items.push(call, of);
        }
        let mut above = Expressions { random: &mut *self.random, columns: &calls, may_fail: self.may_fail };
        if above.may_fail || above.random.u8(..3) == 0 {
            let (item, of) = above.scalar(2);
            items.push(item, of);
        }
        let having = (above.random.u8(..5) == 0).then(|| above.mostly(1));
        let mut made = items.select(relation.from, filter);
        if let Query::Select(select) = &mut made.query
            && let Some(having) = having
        {
            self.reached("having");
            select.having = Some(having);
        }
        made
    }
}
