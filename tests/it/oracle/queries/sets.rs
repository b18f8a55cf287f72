//! Set operations between two selections.

use super::super::syntax::{Distinct, Expr, Query};
use super::super::types::Type;
use super::items::Items;
use super::{Made, Queries};

/// What gives few rows is made more often.
const OPERATIONS: [&str; 11] = [
    "UNION ALL",
    "UNION",
    "EXCEPT",
    "EXCEPT",
    "EXCEPT ALL",
    "EXCEPT ALL",
    "INTERSECT",
    "INTERSECT",
    "INTERSECT ALL",
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
        let is_join = !operation.starts_with("UNION");
        // The same rows twice, each with a condition of its own, have something in common.
        let again = self.random.u8(..3) < if is_join { 2 } else { 1 };
        let other = if again { one.clone() } else { self.relation(levels) };
        let row_wise = operation == "UNION ALL" && one.row_wise && other.row_wise;
        let mut append_only = operation.starts_with("UNION");
        // Rows of few plain columns are on both sides more often.
        let (width, depth) = if is_join { (2, 0) } else { (3, 1) };
        let types: Vec<Type> = (0..self.random.usize(1..=width)).map(|_| self.expressions(&one).key(0).1).collect();
        // What is on the left several times is refused.
        let distinct = is_join && operation.ends_with("ALL") && self.random.u8(..16) > 0;
        // The same columns of the same rows have values on both sides; those that are left out are told by a condition.
        let same = again && operation.starts_with("INTERSECT");
        // Without a condition, the same rows leave nothing.
        let leaves_nothing = again && operation.starts_with("EXCEPT");
        let (mut queries, mut columns, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut exprs: Vec<Expr> = Vec::new();
        for relation in [one, other] {
            if exprs.is_empty() || !same {
                exprs = types.iter().map(|of| self.expressions(&relation).of(of, depth)).collect();
            }
            let mut items = Items::default();
            exprs.iter().zip(&types).for_each(|(item, of)| items.push(item.clone(), of.clone()));
            names = items.names();
            let (relation, filter) = if leaves_nothing && !queries.is_empty() {
                let (relation, condition) = self.with_condition(relation);
                (relation, Some(condition))
            } else {
                self.filtered(relation)
            };
            append_only &= relation.append_only;
            let mut made = items.select(relation.from, filter);
            if let Query::Select(select) = &mut made.query
                && distinct
                && queries.is_empty()
            {
                select.distinct = Some(Distinct::All);
            }
            queries.push(made.query);
            columns = made.columns;
        }
        let key = (!operation.ends_with("ALL")).then_some(names);
        Made { query: Query::Set(operation, queries), columns, key, append_only, in_stream_order: false, row_wise }
    }
}
