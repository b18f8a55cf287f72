//! `NATURAL` as the `USING` that it stands for, where the columns of both sides are known. Those that describe an event, as `_seq`, are no
//! columns that two relations have in common.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{Ident, JoinConstraint, ObjectName, Select, TableWithJoins};

use super::relations::Relations;
use super::template;
use super::using::{constraint, constraint_mut};

/// Whether a join here is one.
pub(super) fn is_in(select: &Select) -> bool {
    let mut joins = select.from.iter().flat_map(|item| &item.joins);
    joins.any(|join| constraint(&join.join_operator) == Some(&JoinConstraint::Natural))
}

pub(super) fn as_using(select: &mut Select, relations: &Relations<'_>) -> Result<()> {
    select.from.iter_mut().try_for_each(|item| of_item(item, relations))
}

fn of_item(item: &mut TableWithJoins, relations: &Relations<'_>) -> Result<()> {
    let mut left = relations.columns(&item.relation);
    for join in &mut item.joins {
        let right = relations.columns(&join.relation);
        let (Some(known), Some(right)) = (&mut left, right) else {
            left = None;
            continue;
        };
        if let Some(constraint) = constraint_mut(&mut join.join_operator)
            && *constraint == JoinConstraint::Natural
        {
            let shared = right.iter().filter(|name| known.contains(name));
            let shared: Vec<ObjectName> =
                shared.map(|name| ObjectName::from(vec![Ident::with_quote('"', name)])).collect();
            *constraint = match shared.is_empty() {
                true => JoinConstraint::On(template::expression("true", &[])?),
                false => JoinConstraint::Using(shared),
            };
        }
        known.extend(right);
    }
    Ok(())
}
