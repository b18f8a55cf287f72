//! Keys and dependencies of joins.
//!
//! Rows are pairs, and rows without a partner that have NULLs for it. Two keys together tell pairs apart. One alone does
//! where every row of its side meets one row of the other at most.

use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, Operator};

use super::keys::{ColumnSet, Dependency, Keys};
use super::nodes::plain_column;

pub(super) fn of_join(join: &Join, left: &Keys, right: &Keys) -> Keys {
    let (pads_left, pads_right) = match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => return left.clone(),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => return right.clone(),
        JoinType::Inner => (false, false),
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
    };
    let (on_left, on_right) = compared(join);
    let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
    let left_side = JoinSide { schema: left_schema, known: left, on: on_left, offset: 0, pads: pads_left };
    let offset = left_schema.fields().len();
    let right_side = JoinSide { schema: right_schema, known: right, on: on_right, offset, pads: pads_right };
    let mut keys = Vec::new();
    if !pads_left && right_side.is_met_once() {
        keys.extend(left_side.keys());
    }
    if !pads_right && left_side.is_met_once() {
        keys.extend(right_side.keys());
    }
    for one in left_side.keys() {
        for other in right_side.keys() {
            let key: ColumnSet = one.union(&other).copied().collect();
            // In a full join, NULLs for a missing right row are NULLs for a missing left one, unless a key says which.
            if !(pads_left && pads_right) || left_side.has_required(&one) || right_side.has_required(&other) {
                keys.push(key);
            }
        }
    }
    let dependencies = left_side.dependencies().into_iter().chain(right_side.dependencies()).collect();
    let row_numbers = [(&left_side, pads_left), (&right_side, pads_right)].into_iter();
    let row_numbers = row_numbers.filter(|(_, pads)| !pads).flat_map(|(side, _)| side.moved(&side.known.row_numbers));
    Keys { keys, dependencies, row_numbers: row_numbers.collect() }
}

/// The expressions of each side that rows must be equal in to meet. Before a plan is optimised, they are part of a condition.
fn compared(join: &Join) -> (Vec<&Expr>, Vec<&Expr>) {
    let (mut left, mut right): (Vec<&Expr>, Vec<&Expr>) = join.on.iter().map(|(left, right)| (left, right)).unzip();
    let column = |schema: &DFSchema, expr: &Expr| schema.index_of_column(plain_column(expr)?).ok();
    // A comparison between types may take several values for one.
    let are_alike = |one: &Expr, other: &Expr| {
        let (left, right) = (join.left.schema(), join.right.schema());
        let types =
            (column(left, one).map(|index| left.field(index)), column(right, other).map(|index| right.field(index)));
        matches!(types, (Some(one), Some(other)) if one.data_type() == other.data_type())
    };
    for condition in join.filter.iter().flat_map(split_conjunction) {
        let Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Eq | Operator::IsNotDistinctFrom, right: other }) =
            condition
        else {
            continue;
        };
        let sides = [(one, other), (other, one)].into_iter();
        if let Some((one, other)) = sides.into_iter().find(|(one, other)| are_alike(one, other)) {
            left.push(one);
            right.push(other);
        }
    }
    (left, right)
}

/// One side of a join. Its columns come behind `offset` others.
struct JoinSide<'a> {
    schema: &'a DFSchema,
    known: &'a Keys,
    /// What rows of the other side are compared with.
    on: Vec<&'a Expr>,
    offset: usize,
    /// Whether rows of the other side may have NULLs for this one.
    pads: bool,
}

impl<'a> JoinSide<'a> {
    fn moved(&self, columns: &ColumnSet) -> ColumnSet {
        columns.iter().map(|column| column + self.offset).collect()
    }

    fn keys(&self) -> impl Iterator<Item = ColumnSet> {
        self.known.keys.iter().map(|key| self.moved(key))
    }

    /// Whether a row of the other side has one partner here at most.
    fn is_met_once(&self) -> bool {
        let columns = self.on.iter().filter_map(|on| self.schema.index_of_column(plain_column(on)?).ok());
        self.known.are_unique(&columns.collect::<Vec<_>>())
    }

    /// Whether one of these columns of the join is never NULL in a row of this side.
    fn has_required(&self, columns: &ColumnSet) -> bool {
        columns.iter().any(|column| !self.schema.field(column - self.offset).is_nullable())
    }

    /// NULLs for a missing row are told from real ones where not all that determines can be NULL.
    fn dependencies(&self) -> Vec<Dependency> {
        let moved = self
            .known
            .dependencies
            .iter()
            .map(|known| Dependency { by: self.moved(&known.by), determined: self.moved(&known.determined) });
        moved.filter(|known| !self.pads || self.has_required(&known.by)).collect()
    }
}
