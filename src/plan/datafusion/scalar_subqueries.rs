//! A subquery of one value becomes a join, which repeats the outer row for each row that the subquery has.
//!
//! SQL says that several rows are an error. `SELECT k, (SELECT k FROM b) FROM a` is one at run time if the subquery stays
//! a value, and has too many rows if it is planned as a join, as it is here (see `scalar_subquery_as_value.rs`). DataFusion
//! itself sees to correlated ones.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/16134>. A subquery is refused unless it is known to have at most
//! one row.

use datafusion::logical_expr::Expr;

use crate::config::Code;
use crate::plan::facts::keys::Keys;
use crate::plan::{Refusal, Scope};

pub(super) fn offence(expression: &Expr, scope: &Scope) -> Option<Refusal> {
    let Expr::ScalarSubquery(subquery) = expression else { return None };
    if !subquery.outer_ref_columns.is_empty() || Keys::of(&subquery.subquery, Some(scope)).has_one_row_at_most() {
        return None;
    }
    Some(
        Refusal::new(Code::SeveralRows, "this subquery may give several rows in the place of one value")
            .hint("select an aggregate, add LIMIT 1, or write a join"),
    )
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::{Reproduction, plain};
    use crate::plan::datafusion::subqueries::tests::refused;

    #[test]
    fn rows_are_repeated() {
        let subquery = Reproduction {
            tables: "CREATE TABLE a AS SELECT 1 AS k; CREATE TABLE b AS SELECT column1 AS k FROM (VALUES (2), (3))",
            query: "SELECT k, (SELECT k FROM b) AS s FROM a",
        };
        let context = plain();
        let mut as_join = context.state();
        as_join.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        let outcome = subquery.outcome(&datafusion::prelude::SessionContext::new_with_state(as_join));
        let message = "If that is an error now, delete `datafusion/scalar_subqueries.rs`";
        assert_eq!(outcome, "1, 2\n1, 3", "{message}");
    }

    #[test]
    fn only_subqueries_of_one_row_are_accepted() {
        let several = "SELECT id, (SELECT amount FROM shop.placed) AS n FROM shop.placed";
        assert!(refused(several).is_some_and(|message| message.contains("several rows")));
        let one = "SELECT id, (SELECT max(amount) FROM shop.placed) AS n FROM shop.placed";
        assert_eq!(refused(one), None);
    }
}
