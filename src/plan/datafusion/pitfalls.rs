//! Expressions that DataFusion computes, and not as their author means (`sql/pitfalls.rs`): a rule of the analyser, the first
//! one, because what type coercion makes afterwards is not looked at.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union, cast};
use datafusion::optimizer::AnalyzerRule;

use crate::sql::as_meant;

#[derive(Debug)]
pub(super) struct Pitfalls;

impl AnalyzerRule for Pitfalls {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let checked = plan.transform_up_with_subqueries(|node| {
            if let LogicalPlan::Union(union) = node {
                return times_beside_texts(union);
            }
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expression| {
                let name = names.save(&expression);
                let meant = as_meant(expression, &schema)?;
                Ok(meant.update_data(|expression| name.restore(expression)))
            })
        });
        Ok(checked?.data)
    }

    fn name(&self) -> &str {
        "pitfalls"
    }
}

/// A UNION that has texts and times in one column, with the texts as times: type coercion would make nanoseconds of both.
fn times_beside_texts(union: Union) -> Result<Transformed<LogicalPlan>> {
    let columns = 0..union.schema.fields().len();
    let times: Vec<Option<DataType>> = columns.map(|column| time_of_texts(&union, column)).collect();
    if times.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.into_iter().map(|input| {
        let schema = input.schema();
        let columns = schema.iter().zip(&times).map(|((qualifier, field), time)| {
            let column = Expr::from((qualifier, field));
            match time.as_ref().filter(|_| field.data_type().is_string()) {
                Some(time) => cast(column, time.clone()).alias_qualified(qualifier.cloned(), field.name()),
                None => column,
            }
        });
        let columns = columns.collect();
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, input)?)))
    });
    let inputs = inputs.collect::<Result<_>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

/// The type of the times in a column that has texts too.
fn time_of_texts(union: &Union, column: usize) -> Option<DataType> {
    let types = || union.inputs.iter().map(|input| input.schema().field(column).data_type());
    let time = types().find(|of| matches!(of, DataType::Timestamp(..)))?;
    types().any(DataType::is_string).then(|| time.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::plan::datafusion::reproduction::Reproduction;
    use crate::plan::datafusion::session;

    const TIMES: &str = "CREATE TABLE t AS SELECT CAST(column1 AS TIMESTAMP(6)) AS a, CAST(column2 AS TIMESTAMP(6)) AS b \
                         FROM (VALUES ('2026-01-01', '2026-01-03'), ('2026-01-01', '2026-01-01T12:00:00'))";

    fn mended(query: &'static str, right: &str) {
        Reproduction { tables: TIMES, query }.is_mended(right);
    }

    #[test]
    fn two_days_are_more_than_one() {
        let days = Reproduction { tables: TIMES, query: "SELECT b - a > INTERVAL '1 day' AS longer FROM t" };
        days.is_wrong("false\nfalse", "delete `length` and the comparison of intervals");
        days.is_mended("true\nfalse");
        mended("SELECT b - a BETWEEN INTERVAL '11 hours' AND INTERVAL '30 hours' AS longer FROM t", "false\ntrue");
        mended("SELECT a - b < -INTERVAL '1 day' AS longer FROM t", "true\nfalse");
        mended("SELECT DISTINCT INTERVAL '36 hours' > INTERVAL '1 day' AS longer FROM t", "true");
        mended("SELECT DISTINCT INTERVAL '24 hours' = INTERVAL '1 day' AS same FROM t", "true");
    }

    #[test]
    fn texts_beside_times_are_times_of_their_type() {
        mended("SELECT a AS d FROM t UNION SELECT '9999-12-31' ORDER BY d", "2026-01-01T00:00:00\n9999-12-31T00:00:00");
        mended(
            "SELECT CAST(b AS VARCHAR) AS d FROM t UNION ALL SELECT TIMESTAMP '9999-12-31' ORDER BY d DESC LIMIT 1",
            "9999-12-31T00:00:00",
        );
        mended("SELECT count(*) AS n FROM t WHERE CAST(a AS VARCHAR) < TIMESTAMP '9999-12-31'", "2");
    }

    #[test]
    fn an_interval_that_is_multiplied_is_written_out() {
        mended("SELECT DISTINCT CAST(a AS DATE) + 3 * INTERVAL '1 day' AS d FROM t", "2026-01-04");
        mended("SELECT b - a > 2 * INTERVAL '12 hours' AS longer FROM t", "true\nfalse");
    }

    #[test]
    fn what_has_no_length_is_not_compared() {
        let refused = |query, reason: &str| {
            let outcome = Reproduction { tables: TIMES, query }.outcome(&session().unwrap());
            assert!(outcome.starts_with("error: ") && outcome.contains(reason), "{query}: {outcome}");
        };
        refused("SELECT b - a > INTERVAL '1 month' AS longer FROM t", "write days");
        refused("SELECT to_char(a, 'YYYY-MM-DD') AS day FROM t", "`%Y-%m-%d %H:%M:%S`");
        refused("SELECT to_date(CAST(a AS VARCHAR), 'DD.MM.YYYY') AS day FROM t", "`%Y-%m-%d %H:%M:%S`");
        refused("SELECT to_char(a, '%Q') AS day FROM t", "`%Y-%m-%d %H:%M:%S`");
        refused("SELECT to_char(a, '%Y') SIMILAR TO to_char(b, '%Y') AS met FROM t", "regexp_like");
        refused("SELECT CAST(a AS DATE) + INTERVAL '12 hours' AS noon FROM t", "lose the hours");
        refused("SELECT CAST(a AS DATE) - (b - a) AS before FROM t", "");
        refused("SELECT CAST(1 AS TIMESTAMP) AS day FROM t", "to_timestamp_seconds");
        refused(
            "SELECT count(*) OVER (ORDER BY a ROWS BETWEEN 2 FOLLOWING AND 1 PRECEDING) AS n FROM t",
            "after its end",
        );
        refused(
            "SELECT count(*) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND 2 PRECEDING) AS n FROM t",
            "after its end",
        );
        refused(
            "SELECT count(*) OVER (ORDER BY a ROWS BETWEEN CURRENT ROW AND 2 PRECEDING) AS n FROM t",
            "after its end",
        );
        mended("SELECT count(*) OVER (ORDER BY b ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS n FROM t", "0\n1");
        mended("SELECT DISTINCT CAST(a AS DATE) + INTERVAL '1 month' AS next FROM t", "2026-02-01");
        mended("SELECT DISTINCT to_char(a, '%d.%m.%Y') AS day FROM t", "01.01.2026");
    }
}
