//! Joins: keys, a further condition, and what becomes of rows without a partner.

use datafusion::common::{DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::{self as logical, ExprSchemable};

use super::expressions::{arrow, is_sortable, physical};
use super::{Specified, specification};
use crate::circuit::{JoinSpec, Unmatched};
use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;

pub(super) fn lower_join(join: &logical::Join) -> Result<Specified<JoinSpec>, Refusal> {
    let (left, right) = (join.left.schema(), join.right.schema());
    for field in left.fields().iter().chain(right.fields().iter()) {
        if !is_sortable(field.data_type()) {
            return Err(Refusal::new(
                Code::NotKept,
                format!("cannot join rows with `{}` of type {}", field.name(), field.data_type()),
            ));
        }
    }
    let (left_on, right_on): (Vec<_>, Vec<_>) = join.on.iter().cloned().unzip();
    let key_types = left_on.iter().map(|key| key.get_type(left)).collect::<Result<Vec<_>, _>>()?;
    for (key, wanted) in right_on.iter().zip(&key_types) {
        if key.get_type(right)? != *wanted {
            return Err(Refusal::new(
                Code::NotKept,
                format!("the join compares {wanted} with {}", key.get_type(right)?),
            )
            .hint("cast one side to the type of the other"));
        }
    }
    let condition = match &join.filter {
        Some(filter) => physical(std::slice::from_ref(filter), &pair_schema(left, right)?)?.pop(),
        None => None,
    };
    let (pairs, left_unmatched, right_unmatched) = match join.join_type {
        JoinType::Inner => (true, Unmatched::Dropped, Unmatched::Dropped),
        JoinType::Left => (true, Unmatched::Padded, Unmatched::Dropped),
        JoinType::Right => (true, Unmatched::Dropped, Unmatched::Padded),
        JoinType::Full => (true, Unmatched::Padded, Unmatched::Padded),
        JoinType::LeftSemi => (false, Unmatched::Semi, Unmatched::Dropped),
        JoinType::LeftAnti => (false, Unmatched::Anti, Unmatched::Dropped),
        JoinType::LeftMark => (false, Unmatched::Mark, Unmatched::Dropped),
        JoinType::RightSemi => (false, Unmatched::Dropped, Unmatched::Semi),
        JoinType::RightAnti => (false, Unmatched::Dropped, Unmatched::Anti),
        JoinType::RightMark => (false, Unmatched::Dropped, Unmatched::Mark),
    };
    let keys = specification::expressions(Specification::of("join/1"), &left_on, left)?;
    let keys = specification::expressions(keys, &right_on, right)?;
    let filter = join.filter.as_slice();
    let specification = specification::expressions(keys, filter, &pair_schema(left, right)?)?
        .text(&join.join_type.to_string())
        .flag(join.null_equality == NullEquality::NullEqualsNull);
    let operator = JoinSpec {
        left_keys: physical(&left_on, left)?,
        right_keys: physical(&right_on, right)?,
        key_types,
        null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
        condition,
        pairs,
        left_unmatched,
        right_unmatched,
        left: arrow(left),
        right: arrow(right),
        schema: arrow(&join.schema),
    };
    Ok(Specified { operator, specification })
}

/// Left columns, then right ones: what the condition sees, whatever the join shows.
fn pair_schema(left: &DFSchema, right: &DFSchema) -> Result<DFSchema, Refusal> {
    Ok(left.join(right)?)
}
