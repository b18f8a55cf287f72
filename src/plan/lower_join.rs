//! Joins: keys, a further condition, and what becomes of rows without a partner.

use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::expr::{Alias, Cast};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{self as logical, Expr, ExprSchemable, LogicalPlan};

use super::Refusal;
use super::lower::{arrow, is_sortable, physical};
use crate::circuit::{JoinSpec, Lonely};

pub(super) fn lower_join(join: &logical::Join) -> Result<JoinSpec, Refusal> {
    if join.null_aware && !compares_no_nulls(join) {
        return Err(Refusal::new("NOT IN over values that can be NULL is not kept incrementally")
            .hint("use NOT EXISTS, or exclude NULLs on both sides with WHERE … IS NOT NULL"));
    }
    let (left, right) = (join.left.schema(), join.right.schema());
    for field in left.fields().iter().chain(right.fields().iter()) {
        if !is_sortable(field.data_type()) {
            return Err(Refusal::new(format!(
                "cannot join rows with `{}` of type {}",
                field.name(),
                field.data_type()
            )));
        }
    }
    let (left_on, right_on): (Vec<_>, Vec<_>) = join.on.iter().cloned().unzip();
    let key_types = left_on.iter().map(|key| key.get_type(left)).collect::<Result<Vec<_>, _>>()?;
    for (key, wanted) in right_on.iter().zip(&key_types) {
        if key.get_type(right)? != *wanted {
            return Err(Refusal::new(format!("the join compares {wanted} with {}", key.get_type(right)?))
                .hint("cast one side to the type of the other"));
        }
    }
    let condition = match &join.filter {
        Some(filter) => physical(std::slice::from_ref(filter), &pair_schema(left, right)?)?.pop(),
        None => None,
    };
    let (pairs, left_lonely, right_lonely) = match join.join_type {
        JoinType::Inner => (true, Lonely::Dropped, Lonely::Dropped),
        JoinType::Left => (true, Lonely::Padded, Lonely::Dropped),
        JoinType::Right => (true, Lonely::Dropped, Lonely::Padded),
        JoinType::Full => (true, Lonely::Padded, Lonely::Padded),
        JoinType::LeftSemi => (false, Lonely::Semi, Lonely::Dropped),
        JoinType::LeftAnti => (false, Lonely::Anti, Lonely::Dropped),
        JoinType::LeftMark => (false, Lonely::Mark, Lonely::Dropped),
        JoinType::RightSemi => (false, Lonely::Dropped, Lonely::Semi),
        JoinType::RightAnti => (false, Lonely::Dropped, Lonely::Anti),
        JoinType::RightMark => (false, Lonely::Dropped, Lonely::Mark),
    };
    Ok(JoinSpec {
        left_keys: physical(&left_on, left)?,
        right_keys: physical(&right_on, right)?,
        key_types,
        null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
        condition,
        pairs,
        left_lonely,
        right_lonely,
        left: arrow(left),
        right: arrow(right),
        schema: arrow(&join.schema),
    })
}

/// Whether neither side of a NOT IN is ever NULL, so that it only asks whether there is a partner.
fn compares_no_nulls(join: &logical::Join) -> bool {
    let never_null = |(left, right): &(Expr, Expr)| never_null(left, &join.left) && never_null(right, &join.right);
    join.filter.is_none() && !join.on.is_empty() && join.on.iter().all(never_null)
}

/// Whether an expression over the plan's columns is known not to be NULL: by its type, or by a filter on the way.
fn never_null(expr: &Expr, plan: &LogicalPlan) -> bool {
    if matches!(expr.nullable(plan.schema()), Ok(false)) {
        return true;
    }
    let column = match expr {
        Expr::Column(column) => column,
        Expr::Alias(Alias { expr, .. }) | Expr::Cast(Cast { expr, .. }) => return never_null(expr, plan),
        _ => return false,
    };
    let Ok(place) = plan.schema().index_of_column(column) else { return false };
    match plan {
        LogicalPlan::Filter(filter) => {
            let is_not_null = |condition: &&Expr| matches!(condition, Expr::IsNotNull(inner) if **inner == *expr);
            split_conjunction(&filter.predicate).iter().any(is_not_null) || never_null(expr, &filter.input)
        }
        LogicalPlan::Projection(projection) => never_null(&projection.expr[place], &projection.input),
        LogicalPlan::SubqueryAlias(alias) => {
            never_null(&Expr::Column(Column::from(alias.input.schema().qualified_field(place))), &alias.input)
        }
        _ => false,
    }
}

/// Left columns, then right ones: what the condition sees, whatever the join shows.
fn pair_schema(left: &DFSchema, right: &DFSchema) -> Result<DFSchema, Refusal> {
    Ok(left.join(right)?)
}
