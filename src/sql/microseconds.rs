//! SQL's `TIMESTAMP` is nanoseconds, which reach from 1677 to 2262.
//!
//! `TIMESTAMP '9999-12-31'` and a cast to it fail, and a column of events, whose times are microseconds, fails beside them.
//! Upstream: <https://github.com/apache/datafusion/issues/8336>. The workaround plans the type without digits as microseconds,
//! which reach a hundred thousand years further. `date_trunc`, `date_bin`, `now` and `to_timestamp` follow.
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
pub struct Microseconds;

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
