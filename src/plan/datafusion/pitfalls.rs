//! Expressions that DataFusion computes, and not as their author means: refused, with what to write instead, or computed as
//! meant.
//!
//! - Lengths of time and intervals are compared by months, then days, then nanoseconds, so that two days are less than
//!   `INTERVAL '1 day'`. An interval of fixed length becomes a length of time; others have none to be compared by.
//! - Patterns of times are chrono's (`%Y-%m-%d`). `YYYY-MM-DD`, as PostgreSQL writes it, would be text.
//! - A frame of a window whose start is after its end has no rows.
//! - An integer as a timestamp is one of seconds, milliseconds, microseconds or nanoseconds.
//!
//! A rule of the analyser, the first one: what type coercion makes afterwards is not looked at.

use arrow::array::types::IntervalMonthDayNano;
use arrow::datatypes::DataType;
use chrono::format::{Item, StrftimeItems};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator, WindowFrame, WindowFrameBound, lit};
use datafusion::optimizer::AnalyzerRule;

const MICROSECONDS_OF_A_DAY: i64 = 86_400_000_000;

/// The functions that take a pattern of a time, and its index among their arguments; what follows are patterns too.
const PATTERNS: [(&str, usize); 9] = [
    ("to_char", 1),
    ("date_format", 1),
    ("to_date", 1),
    ("to_timestamp", 1),
    ("to_timestamp_seconds", 1),
    ("to_timestamp_millis", 1),
    ("to_timestamp_micros", 1),
    ("to_timestamp_nanos", 1),
    ("to_unixtime", 1),
];

#[derive(Debug)]
pub(super) struct Pitfalls;

impl AnalyzerRule for Pitfalls {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let checked = plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expression| {
                let name = names.save(&expression);
                let checked = expression.transform_up(|part| checked(part, &schema))?;
                Ok(checked.update_data(|expression| name.restore(expression)))
            })
        });
        Ok(checked?.data)
    }

    fn name(&self) -> &str {
        "pitfalls"
    }
}

/// The expression as it is meant.
fn checked(mut part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let sides: Vec<&mut Expr> = match &mut part {
        Expr::ScalarFunction(call) => {
            check_pattern(call)?;
            return Ok(Transformed::no(part));
        }
        Expr::WindowFunction(call) => {
            check_frame(&call.params.window_frame)?;
            return Ok(Transformed::no(part));
        }
        Expr::Cast(cast) => {
            check_cast(cast, schema)?;
            return Ok(Transformed::no(part));
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => vec![left, right],
        Expr::Between(Between { expr, low, high, .. }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => std::iter::once(&mut **expr).chain(list).collect(),
        _ => return Ok(Transformed::no(part)),
    };
    let types: Vec<Option<DataType>> = sides.iter().map(|side| side.get_type(schema).ok()).collect();
    if !types.iter().flatten().any(|of| matches!(of, DataType::Interval(_))) {
        return Ok(Transformed::no(part));
    }
    for (side, of) in sides.into_iter().zip(types) {
        if matches!(of, Some(DataType::Interval(_))) {
            *side = length(side)?;
        }
    }
    Ok(Transformed::yes(part))
}

/// An interval of fixed length as a length of time.
fn length(interval: &Expr) -> Result<Expr> {
    let literal = match interval {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => Some(*interval),
        Expr::Negative(negated) => match negated.as_ref() {
            Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
                let IntervalMonthDayNano { months, days, nanoseconds } = *interval;
                Some(IntervalMonthDayNano::new(-months, -days, -nanoseconds))
            }
            _ => None,
        },
        _ => None,
    };
    match literal {
        Some(IntervalMonthDayNano { months: 0, days, nanoseconds }) => {
            let length = i64::from(days) * MICROSECONDS_OF_A_DAY + nanoseconds / 1000;
            Ok(lit(ScalarValue::DurationMicrosecond(Some(length))))
        }
        Some(_) => plan_err!(
            "an interval with months has no fixed length, so that nothing can be compared with it; write days, or add \
             the interval to a time and compare times"
        ),
        None => plan_err!(
            "`{}` is an interval, whose months, days and nanoseconds are not one length to be compared; subtract times, \
             and compare with an interval that is written out",
            interval.human_display()
        ),
    }
}

fn check_pattern(call: &ScalarFunction) -> Result<()> {
    let Some((_, first)) = PATTERNS.iter().find(|(name, _)| *name == call.func.name()) else { return Ok(()) };
    for argument in call.args.iter().skip(*first) {
        let Expr::Literal(value, _) = argument else { continue };
        let Some(Some(pattern)) = value.try_as_str() else { continue };
        let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
        let is_known = !items.contains(&Item::Error);
        let reads_a_time = items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)));
        if !is_known || !reads_a_time {
            let name = call.func.name();
            return plan_err!(
                "`{pattern}` is no pattern of a time for `{name}`: patterns are written as in `%Y-%m-%d %H:%M:%S`"
            );
        }
    }
    Ok(())
}

fn check_cast(cast: &Cast, schema: &DFSchema) -> Result<()> {
    let is_time = matches!(cast.field.data_type(), DataType::Timestamp(_, _));
    if is_time && cast.expr.get_type(schema).is_ok_and(|of| of.is_integer()) {
        return plan_err!(
            "`{}` is a number, and a number is no timestamp without its unit; write `to_timestamp_seconds(…)`, \
             `to_timestamp_millis(…)` or `to_timestamp_micros(…)`",
            cast.expr.human_display()
        );
    }
    Ok(())
}

/// DataFusion finds out only where it computes the window itself.
fn check_frame(frame: &WindowFrame) -> Result<()> {
    let (start, end) = (&frame.start_bound, &frame.end_bound);
    let rank = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(_) => 0,
        WindowFrameBound::CurrentRow => 1,
        WindowFrameBound::Following(_) => 2,
    };
    let is_behind = match (start, end) {
        // The greater number is further from the row.
        (WindowFrameBound::Preceding(start), WindowFrameBound::Preceding(end)) if !start.is_null() => {
            end.is_null() || start < end
        }
        (WindowFrameBound::Following(start), WindowFrameBound::Following(end)) if !end.is_null() => {
            start.is_null() || start > end
        }
        (start, end) => rank(start) > rank(end),
    };
    if is_behind {
        return plan_err!("a window's frame starts at `{start}`, which is after its end `{end}`: exchange them");
    }
    Ok(())
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
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
    fn what_has_no_length_is_not_compared() {
        let refused = |query, reason: &str| {
            let outcome = Reproduction { tables: TIMES, query }.outcome(&session().unwrap());
            assert!(outcome.starts_with("error: ") && outcome.contains(reason), "{query}: {outcome}");
        };
        refused("SELECT b - a > INTERVAL '1 month' AS longer FROM t", "write days");
        refused("SELECT to_char(a, 'YYYY-MM-DD') AS day FROM t", "`%Y-%m-%d %H:%M:%S`");
        refused("SELECT to_date(CAST(a AS VARCHAR), 'DD.MM.YYYY') AS day FROM t", "`%Y-%m-%d %H:%M:%S`");
        refused("SELECT to_char(a, '%Q') AS day FROM t", "`%Y-%m-%d %H:%M:%S`");
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
        mended("SELECT DISTINCT to_char(a, '%d.%m.%Y') AS day FROM t", "01.01.2026");
    }
}
