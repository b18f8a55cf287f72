//! Which row-wise operators can reject an event.
//!
//! Conservative: what is not known here to take any value can fail.

use arrow::datatypes::{DataType, Schema};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, IsNullExpr, Literal, NotExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::map::Map;

/// Whether a map over rows of `input` fails for some of them.
pub(super) fn can_fail(map: &Map, input: &Schema) -> bool {
    let mut expressions = map.filter.iter().chain(map.columns.iter().flatten());
    !expressions.all(|expression| takes_all(expression.as_ref(), input))
}

/// Whether an expression has a value over every row.
fn takes_all(expression: &dyn PhysicalExpr, input: &Schema) -> bool {
    let any = expression as &dyn std::any::Any;
    let itself = if let Some(binary) = any.downcast_ref::<BinaryExpr>() {
        let [left, right] = [binary.left(), binary.right()].map(|side| side.data_type(input).ok());
        is_condition(*binary.op()) && left == right && left.as_ref().is_some_and(is_plain)
    } else if let Some(call) = any.downcast_ref::<ScalarFunctionExpr>() {
        // A field of a struct.
        let of = call.args().first().and_then(|of| of.data_type(input).ok());
        call.name() == "get_field" && matches!(of, Some(DataType::Struct(_)))
    } else {
        any.is::<Column>()
            || any.is::<Literal>()
            || any.is::<NotExpr>()
            || any.is::<IsNullExpr>()
            || any.is::<IsNotNullExpr>()
    };
    itself && expression.children().into_iter().all(|child| takes_all(child.as_ref(), input))
}

fn is_condition(operator: Operator) -> bool {
    use Operator::{And, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq, Or};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom | And | Or)
}

/// Whether Arrow itself compares values of a type.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_primitive() || matches!(data_type, DataType::Utf8 | DataType::Boolean)
}
