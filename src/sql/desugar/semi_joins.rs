//! `a SEMI JOIN b ON …` and `a ANTI JOIN b ON …`, DuckDB's names for joins that keep rows of the left side.

use datafusion::sql::sqlparser::ast::{JoinOperator, Select};

pub(super) fn as_left(select: &mut Select) {
    for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
        join.join_operator = match &join.join_operator {
            JoinOperator::Semi(constraint) => JoinOperator::LeftSemi(constraint.clone()),
            JoinOperator::Anti(constraint) => JoinOperator::LeftAnti(constraint.clone()),
            _ => continue,
        };
    }
}
