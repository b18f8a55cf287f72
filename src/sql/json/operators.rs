//! The operators of JSON as calls of functions, and what they mean for other types.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, plan_err};
use datafusion::functions_nested::expr_fn::{array_has_any, make_array};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::super::own::{Function, is_text};
use super::super::signatures::in_sql;
use super::read::Value;
use super::{change, contains, elements, is_json, path};

#[derive(Debug)]
pub(super) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        // A variable of a lambda or a parameter may have no type yet.
        let (Ok((_, left)), Ok((_, right))) = (expr.left.to_field(schema), expr.right.to_field(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if matches!(expr.op, BinaryOperator::PGOverlap) {
            return overlap(expr, &left, &right);
        }
        // A cast keeps the mark, and makes a text of JSON.
        let is_json =
            [(&expr.left, &left), (&expr.right, &right)].map(|(side, field)| is_json(field) && !is_cast(side));
        let Some(operator) = Operator::of(&expr.op, &left, &right, is_json[0]) else {
            return Ok(PlannerResult::Original(expr));
        };
        if !is_text(left.data_type()) {
            return plan_err!(
                "`{}` reads JSON, and `{}` is {}: write `x['key']` for a field of a struct or a map, `x[1]` for an element of a list",
                expr.op,
                expr.left.human_display(),
                in_sql(&left.data_type().to_string())
            );
        }
        let name = format!("{} {} {}", shown(&expr.left), expr.op, shown(&expr.right));
        let right = match operator.right {
            Right::Step => step(expr.right)?,
            Right::Value => expr.right,
            Right::Json if is_json[1] || is_written_json(&expr.right) => expr.right,
            Right::Json => {
                return plan_err!(
                    "`{0}` is JSON, to which `||` adds JSON: write `CAST({0} AS VARCHAR) || …` for its text, or `{0} || to_jsonb(…)`",
                    expr.left.human_display()
                );
            }
            Right::Path => keys(expr.right, &right)?,
            Right::PathText => path_text(expr.right)?,
        };
        Ok(PlannerResult::Planned(operator.function.udf().call(vec![expr.left, right]).alias(name)))
    }
}

/// A function, and what is written on its right.
struct Operator {
    function: &'static Function,
    right: Right,
}

enum Right {
    /// A key or a place.
    Step,
    Value,
    /// What is JSON, or is written as it.
    Json,
    /// Keys, in a list or as `'{a,b}'`.
    Path,
    /// The same as a text alone.
    PathText,
}

impl Operator {
    fn of(op: &BinaryOperator, left: &Field, right: &Field, is_json: bool) -> Option<Self> {
        let is_nested = left.data_type().is_nested() || right.data_type().is_nested();
        let (function, right) = match op {
            BinaryOperator::Arrow => (&elements::FIELD, Right::Step),
            BinaryOperator::LongArrow => (&elements::FIELD_TEXT, Right::Step),
            BinaryOperator::HashArrow => (&elements::PATH, Right::Path),
            BinaryOperator::HashLongArrow => (&elements::PATH_TEXT, Right::Path),
            BinaryOperator::AtArrow if !is_nested => (&contains::CONTAINS, Right::Value),
            BinaryOperator::Question => (&contains::HAS_KEY, Right::Value),
            BinaryOperator::QuestionPipe => (&contains::HAS_ANY_KEY, Right::Path),
            BinaryOperator::QuestionAnd => (&contains::HAS_ALL_KEYS, Right::Path),
            BinaryOperator::HashMinus => (&change::DELETE_PATH, Right::PathText),
            BinaryOperator::Minus if is_json => (&change::DELETE, Right::Value),
            BinaryOperator::StringConcat if is_json => (&change::CONCAT, Right::Json),
            _ => return None,
        };
        Some(Self { function, right })
    }
}

fn is_cast(expr: &Expr) -> bool {
    matches!(expr.clone().unalias(), Expr::Cast(_) | Expr::TryCast(_))
}

fn is_written_json(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(text)), _) if Value::of(text).is_some())
}

/// `&&`: whether two lists have an element in common.
fn overlap(expr: RawBinaryExpr, left: &Field, right: &Field) -> Result<PlannerResult<RawBinaryExpr>> {
    let is_list = |field: &Field| matches!(field.data_type(), DataType::List(_) | DataType::Null);
    if is_list(left) && is_list(right) {
        return Ok(PlannerResult::Planned(array_has_any(expr.left, expr.right)));
    }
    plan_err!("`&&` says whether two lists have an element in common; of conditions write AND")
}

/// A key, or a place as a number.
fn step(expr: Expr) -> Result<Expr> {
    if let Expr::Literal(ScalarValue::Utf8(Some(key)), _) = &expr
        && (key.starts_with("$.") || key.starts_with("$[") || key.starts_with('/'))
    {
        return plan_err!(
            "`'{key}'` is taken for a key, as in PostgreSQL, and not for a path: write `j -> 'a' -> 'b'`, or `j #> '{{a,b}}'`"
        );
    }
    Ok(expr)
}

/// Keys as a list of texts.
fn keys(expr: Expr, field: &Field) -> Result<Expr> {
    match &expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => {
            Ok(make_array(path::steps(text)?.into_iter().map(lit).collect()))
        }
        _ if matches!(field.data_type(), DataType::List(_)) => Ok(expr),
        _ => plan_err!(
            "`{}` is no path of JSON: write `'{{a,0,b}}'`, or a list of keys, `['a', '0', 'b']`",
            expr.human_display()
        ),
    }
}

/// A path that is written out, which is looked at before it is used.
fn path_text(expr: Expr) -> Result<Expr> {
    if let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = &expr {
        path::steps(text)?;
    }
    Ok(expr)
}

/// As the name of a column has it.
fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Column(Column { name, .. }) => name.clone(),
        Expr::Alias(alias) => alias.name.clone(),
        Expr::Literal(value, _) => match value.try_as_str() {
            Some(Some(text)) => format!("'{text}'"),
            _ => value.to_string(),
        },
        Expr::Cast(cast) => shown(&cast.expr),
        other => other.to_string(),
    }
}
