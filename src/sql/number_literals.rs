//! Numbers with an exponent, `1e6`, are floats, as in standard SQL and in DuckDB.
//!
//! DataFusion 55.2 makes a decimal of negative scale of them where it makes decimals of numbers with a point. With that
//! `round(1e3)` is 10, `CAST(1e15 AS DOUBLE)` is a little less, `1e3 * n` panics, and `1e300` is no number. No upstream issue was
//! found. Both rooms that plan SQL need it: upcasters and projections.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Value, VisitMut, visit_expressions_mut,
};

/// Casts every number with an exponent, as it is written, to a float.
pub(super) fn exponents_as_floats(sql: &mut impl VisitMut) {
    // A cast may itself be looked at again; what is in it has become a text.
    let _ = visit_expressions_mut(sql, |expr| {
        if let Expr::Value(value) = expr
            && let Value::Number(digits, false) = &value.value
            && digits.contains(['e', 'E'])
        {
            let text = Value::SingleQuotedString(digits.to_string()).with_span(value.span);
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(text)),
                data_type: DataType::Double(ExactNumberInfo::None),
                array: false,
                format: None,
            };
        }
        ControlFlow::<()>::Continue(())
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::{SessionConfig, SessionContext};
    use datafusion::sql::parser::Statement;

    use super::*;

    async fn outcome(sql: &str, mended: bool) -> String {
        let mut config = SessionConfig::new();
        config.options_mut().sql_parser.parse_float_as_decimal = true;
        let state = SessionContext::new_with_config(config).state();
        let mut statement = state.sql_to_statement(sql, &state.config_options().sql_parser.dialect).unwrap();
        if let (Statement::Statement(statement), true) = (&mut statement, mended) {
            exponents_as_floats(&mut **statement);
        }
        let plan = match state.statement_to_plan(statement).await {
            Ok(plan) => plan,
            Err(error) => return format!("error: {error}"),
        };
        let context = SessionContext::new_with_state(state);
        let batches = context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
        arrow::util::display::array_value_to_string(batches[0].column(0), 0).unwrap()
    }

    #[tokio::test]
    async fn datafusion_takes_them_for_decimals_of_negative_scale() {
        assert_eq!(outcome("SELECT round(1e3)", false).await, "10", "it is right now: delete `sql/number_literals.rs`");
        assert!(outcome("SELECT 1e300", false).await.starts_with("error: "));
    }

    #[tokio::test]
    async fn a_number_with_an_exponent_is_a_float() {
        for (sql, expected) in [
            ("round(1e3)", "1000.0"),
            ("1e3 + 1", "1001.0"),
            ("-1.5E-3", "-0.0015"),
            ("CAST(1e15 AS DOUBLE) = CAST('1e15' AS DOUBLE)", "true"),
            ("1e300 > 1e-300", "true"),
            ("7 * 1e3", "7000.0"),
            // Not within texts and names.
            ("'1e3'", "1e3"),
            ("1.25", "1.25"),
        ] {
            assert_eq!(outcome(&format!("SELECT {sql}"), true).await, expected, "{sql}");
        }
    }
}
