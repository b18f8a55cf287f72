//! `a SEMI JOIN b ON …` and `a ANTI JOIN b ON …`, DuckDB's names for joins that keep rows of the left side.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Join, JoinConstraint, JoinOperator, Select};

/// # Errors
/// If a join behind one of them is by columns of one name: those of its right side cannot be seen, and would be among them.
pub(super) fn as_left(select: &mut Select) -> Result<()> {
    for from in &mut select.from {
        for join in &mut from.joins {
            join.join_operator = match &join.join_operator {
                JoinOperator::Semi(constraint) => JoinOperator::LeftSemi(constraint.clone()),
                JoinOperator::Anti(constraint) => JoinOperator::LeftAnti(constraint.clone()),
                _ => continue,
            };
        }
        let behind = from.joins.iter().skip_while(|join| !is_one_sided(join)).skip(1);
        if behind.into_iter().any(is_by_names) {
            return plan_err!("a join behind a SEMI or ANTI JOIN says its condition with ON, and not USING or NATURAL");
        }
    }
    Ok(())
}

/// Whether a join gives the columns of its left side alone.
pub(super) fn is_one_sided(join: &Join) -> bool {
    matches!(join.join_operator, JoinOperator::LeftSemi(_) | JoinOperator::LeftAnti(_))
}

fn is_by_names(join: &Join) -> bool {
    use JoinOperator::{FullOuter, Inner, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightOuter};
    match &join.join_operator {
        JoinOperator::Join(constraint)
        | Inner(constraint)
        | Left(constraint)
        | LeftOuter(constraint)
        | Right(constraint)
        | RightOuter(constraint)
        | FullOuter(constraint)
        | LeftSemi(constraint)
        | LeftAnti(constraint) => matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural),
        _ => false,
    }
}
