//! SQL's `TIMESTAMP` is nanoseconds, which reach from 1677 to 2262.
//!
//! `TIMESTAMP '9999-12-31'` and a cast to it fail, and a column of events, whose times are microseconds, fails beside them.
//! Upstream: <https://github.com/apache/datafusion/issues/8336>. The workaround plans the type without digits as microseconds,
//! which reach a hundred thousand years further. `date_trunc`, `date_bin`, `now` and `to_timestamp` follow (`functions/`).
//!
//! An integer that is cast to a timestamp means seconds to DataFusion, or whatever the type's unit is. Neither is what every
//! author means, so the cast is refused ([`super::pitfalls`]).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

/// Plans timestamps without digits as microseconds.
#[derive(Debug)]
pub(super) struct Microseconds;

impl TypePlanner for Microseconds {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let time_zone = match sql_type {
            SqlType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | SqlType::Datetime(None) => {
                None
            }
            SqlType::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Some(Arc::from("UTC")),
            _ => return Ok(None),
        };
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, time_zone);
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn far_dates_do_not_fit() {
        let far = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS day FROM (VALUES ('9999-12-31'))",
            query: "SELECT CAST(CAST(day AS TIMESTAMP) AS DATE) AS d FROM t",
        };
        far.is_wrong("error: Arrow error: Cast error: Overflow converting", "delete this file");
        far.is_mended("9999-12-31");
    }

    #[test]
    fn every_function_of_times_knows_far_ones() {
        let mended = |query, right| {
            let tables =
                "CREATE TABLE t AS SELECT CAST(column1 AS TIMESTAMP) AS a FROM (VALUES ('9999-12-31T10:20:30'))";
            Reproduction { tables, query }.is_mended(right);
        };
        mended("SELECT date_trunc('quarter', a) AS d FROM t", "9999-10-01T00:00:00");
        mended("SELECT date_trunc('week', a) AS d FROM t", "9999-12-27T00:00:00");
        mended("SELECT date_trunc('minute', a) AS d FROM t", "9999-12-31T10:20:00");
        mended("SELECT date_trunc('year', CAST(a AS DATE)) AS d FROM t", "9999-01-01T00:00:00");
        mended("SELECT date_bin(INTERVAL '6 hours', a) AS d FROM t", "9999-12-31T06:00:00");
        mended(
            "SELECT date_bin(INTERVAL '1 day', a, TIMESTAMP '2026-01-01T07:00:00') AS d FROM t",
            "9999-12-31T07:00:00",
        );
        mended("SELECT a > now() AS d FROM t", "true");
        mended("SELECT to_timestamp('9999-12-31') = date_trunc('day', a) AS d FROM t", "true");
        mended("SELECT to_timestamp(253402214400) = date_trunc('day', a) AS d FROM t", "true");
        mended("SELECT extract(year FROM a) AS d FROM t", "9999");
        mended("SELECT to_char(a, '%Y') AS d FROM t", "9999");
    }
}
