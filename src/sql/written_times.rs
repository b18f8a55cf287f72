//! Texts that are written where a time is meant, `at < '9999-12-31'` or `coalesce(until, '2030-01-01')`: they become times of the type
//! of what they stand beside, as in PostgreSQL. `day - '2026-01-01'` is planned so too.
//!
//! DataFusion makes nanoseconds of both sides, which end in 2262 (<https://github.com/apache/datafusion/issues/8336>), and finds no type
//! for `coalesce` of a time and a text. A column of texts is cast where it is compared, and needs a cast of the author's where it would be
//! given in the place of a time.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, InList};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF, ScalarUDFImpl, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::as_builtin::as_builtin;
use super::pitfalls::is_comparison;

/// The functions whose arguments are all of one type.
const OF_ONE_TYPE: [&str; 4] = ["coalesce", "greatest", "least", "nullif"];

/// Makes times of the texts that a part of an expression compares with times, or may give in the place of one. Whether there was one.
///
/// # Errors
/// If a text says a time that there is none of, or `coalesce` would read each text of a column.
pub(super) fn as_times(part: &mut Expr, schema: &DFSchema) -> Result<bool> {
    let is_coalesce = matches!(&*part, Expr::ScalarFunction(call) if call.func.name() == "coalesce");
    let is_compared = match &*part {
        Expr::BinaryExpr(BinaryExpr { op, .. }) => is_comparison(*op),
        part => matches!(part, Expr::Between(_) | Expr::InList(_)),
    };
    let sides: Vec<&mut Expr> = match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => vec![left, right],
        Expr::Between(Between { expr, low, high, .. }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => std::iter::once(&mut **expr).chain(list).collect(),
        Expr::ScalarFunction(call) if OF_ONE_TYPE.contains(&call.func.name()) => call.args.iter_mut().collect(),
        // What stands between the two is a number of rows.
        Expr::WindowFunction(call) if matches!(call.fun.name(), "lag" | "lead") => {
            call.params.args.iter_mut().step_by(2).collect()
        }
        Expr::Case(Case { when_then_expr, else_expr, .. }) => {
            when_then_expr.iter_mut().map(|(_, then)| &mut **then).chain(else_expr.as_deref_mut()).collect()
        }
        _ => return Ok(false),
    };
    if sides.iter().all(|side| text(side).is_none()) && !is_coalesce && !is_compared {
        return Ok(false);
    }
    let types: Vec<Option<DataType>> = sides.iter().map(|side| side.get_type(schema).ok()).collect();
    let is_time = |of: &&DataType| matches!(of, DataType::Timestamp(..) | DataType::Date32);
    let Some(time) = types.iter().flatten().find(is_time) else { return Ok(false) };
    let mut is_any = false;
    for (side, of) in sides.into_iter().zip(&types) {
        if let Some(text) = text(side) {
            let bounds = ["infinity", "-infinity"];
            if bounds.contains(&text.trim().to_lowercase().as_str()) {
                return plan_err!("no time is `{text}` here; write one that is far away, such as '9999-12-31'");
            }
            // What is none is told where it is computed.
            if let Ok(value) = ScalarValue::from(text).cast_to(time) {
                *side = lit(value);
                is_any = true;
            }
        } else if is_compared && of.as_ref().is_some_and(DataType::is_string) {
            *side = cast(side.clone(), time.clone());
            is_any = true;
        } else if is_coalesce && of.as_ref().is_some_and(DataType::is_string) {
            return plan_err!(
                "`{}` is a text, and what stands beside it in `coalesce` is a time; write `CAST({0} AS TIMESTAMP)`",
                side.human_display()
            );
        }
    }
    Ok(is_any)
}

/// A text that is written out.
fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// Registers `coalesce` over the one of that name, and what plans the difference of a time and a text.
///
/// # Errors
/// If the registry lacks it, or refuses its successor.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry.register_expr_planner(Arc::new(Differences))?;
    let builtin = registry.udf("coalesce")?;
    registry.register_udf(Arc::new(ScalarUDF::from(Coalesce { builtin })))?;
    Ok(())
}

/// Plans `day - '2026-01-01'`, for which DataFusion finds no type.
#[derive(Debug)]
struct Differences;

impl ExprPlanner for Differences {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let as_time = |side: Expr, other: &Expr| match (text(&side), other.get_type(schema)) {
            (Some(text), Ok(time @ (DataType::Timestamp(..) | DataType::Date32))) => {
                ScalarValue::from(text).cast_to(&time).map_or(side.clone(), lit)
            }
            _ => side,
        };
        if !matches!(op, BinaryOperator::Minus) {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let right = as_time(right, &left);
        let left = as_time(left, &right);
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// `coalesce` that takes texts beside times.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Coalesce {
    builtin: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Coalesce {
    as_builtin! { name signature return_type return_field_from_args simplify conditional_arguments short_circuits invoke_with_args documentation }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_time = |of: &&DataType| matches!(of, DataType::Timestamp(..) | DataType::Date32);
        let time = types.iter().find(is_time);
        match time.filter(|time| types.iter().all(|of| of == *time || of.is_string() || of.is_null())) {
            Some(time) => Ok(vec![time.clone(); types.len()]),
            None => self.builtin.coerce_types(types),
        }
    }
}
