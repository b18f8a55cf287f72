//! `FROM b, generate_series(b.first, b.last) AS n LEFT JOIN s ON …`: a function that reads what stands before the comma, and is joined
//! with more. The planner computes what is between two commas by itself, where `b` has no rows; joined one after the other they are the
//! same rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins, visit_expressions,
};

use super::set_functions;

pub(super) fn as_joins(select: &mut Select) {
    let items = std::mem::take(&mut select.from);
    for item in items {
        match select.from.last_mut() {
            Some(before) if reads_neighbours(&item) => {
                let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
                before.joins.push(Join { relation: item.relation, global: false, join_operator });
                before.joins.extend(item.joins);
            }
            _ => select.from.push(item),
        }
    }
}

/// Whether what is between two commas begins with what may read its neighbours, and goes on with joins that keep the rows of their left
/// side and name the columns that they compare.
fn reads_neighbours(item: &TableWithJoins) -> bool {
    let reads = match &item.relation {
        TableFactor::Derived { lateral, .. } => *lateral,
        factor => set_functions::list_name(factor).is_some() && names_a_column(factor),
    };
    let keeps_left = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::CrossJoin(JoinConstraint::None)
                | JoinOperator::Join(JoinConstraint::On(_))
                | JoinOperator::Inner(JoinConstraint::On(_))
                | JoinOperator::Left(JoinConstraint::On(_))
                | JoinOperator::LeftOuter(JoinConstraint::On(_))
        )
    };
    reads && !item.joins.is_empty() && item.joins.iter().all(keeps_left)
}

fn names_a_column(factor: &TableFactor) -> bool {
    let is_column = |part: &Expr| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(factor, is_column).is_break()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;

    use crate::sql::parse_statement;

    fn parsed(sql: &str) -> String {
        parse_statement(&SessionContext::new().state(), sql).unwrap().to_string()
    }

    #[test]
    fn a_function_of_its_neighbour_is_joined_with_it() {
        let joined = parsed("SELECT 1 FROM a CROSS JOIN unnest(a.l) AS e LEFT JOIN s ON s.k = e");
        assert_eq!(parsed("SELECT 1 FROM a, unnest(a.l) AS e LEFT JOIN s ON s.k = e"), joined);
        assert!(joined.contains("FROM a CROSS JOIN LATERAL"), "{joined}");
    }

    #[test]
    fn others_stay_where_they_are() {
        for from in [
            "a, b LEFT JOIN s ON s.k = b.k",
            "a, unnest(a.l) AS e",
            "a, unnest(a.l) AS e RIGHT JOIN s ON s.k = e",
            "a, generate_series(1, 3) AS n LEFT JOIN s ON s.k = n",
            "a, unnest(a.l) AS e JOIN s USING (k)",
        ] {
            assert!(parsed(&format!("SELECT 1 FROM {from}")).contains("FROM a, "), "{from}");
        }
    }
}
