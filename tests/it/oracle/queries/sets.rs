//! Set operations between two selections.

use super::super::syntax::Query;
use super::super::types::Type;
use super::items::Items;
use super::{Made, Queries};

/// What gives few rows is made more often.
const OPERATIONS: [&str; 9] = [
    "UNION ALL",
    "UNION",
    "EXCEPT",
    "EXCEPT ALL",
    "EXCEPT ALL",
    "INTERSECT",
    "INTERSECT",
    "INTERSECT ALL",
    "INTERSECT ALL",
];

impl Queries<'_> {
    /// Two selections with columns of like types.
    pub(super) fn set(&mut self, levels: usize) -> Made {
        // All but unions are joins.
        let operation = OPERATIONS[self.random.usize(..if self.may_fail { 2 } else { OPERATIONS.len() })];
        self.reached(operation);
        let levels = levels.saturating_sub(1);
        let one = self.relation(levels);
        // The same rows twice, each with a condition of its own, have something in common.
        let other = if self.random.u8(..3) == 0 { one.clone() } else { self.relation(levels) };
        let row_wise = operation == "UNION ALL" && one.row_wise && other.row_wise;
        let mut append_only = operation.starts_with("UNION");
        let types: Vec<Type> = (0..self.random.usize(1..=3)).map(|_| self.expressions(&one).scalar(0).1).collect();
        let (mut queries, mut columns, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for relation in [one, other] {
            let mut items = Items::default();
            for of in &types {
                items.push(self.expressions(&relation).of(of, 1), of.clone());
            }
            names = items.names();
            let (relation, filter) = self.filtered(relation);
            append_only &= relation.append_only;
            let made = items.select(relation.from, filter);
            queries.push(made.query);
            columns = made.columns;
        }
        let key = (!operation.ends_with("ALL")).then_some(names);
        Made { query: Query::Set(operation, queries), columns, key, append_only, in_stream_order: false, row_wise }
    }
}
