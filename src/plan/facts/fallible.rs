//! Which expressions fail on some values. An event is rejected where one does, so circuits that share an operator have to
//! agree on it, and what fails is computed while it is still known which event is to blame.
//!
//! Conservative: what is not known here to take every value can fail.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, Cast, InList, Like, ScalarFunction};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

const PATTERN_BYTES_MAX: usize = 1_000;

/// Whether an expression over rows of `schema` fails for some of them, or one of its parts, also under a condition.
pub(in crate::plan) fn can_fail(expr: &Expr, schema: &DFSchema) -> bool {
    // The closure never fails.
    expr.exists(|part| Ok(!takes_all(part, schema))).unwrap_or(true)
}

/// Whether an expression has a value wherever its parts have.
fn takes_all(expr: &Expr, schema: &DFSchema) -> bool {
    let are_comparable = |parts: &[&Expr]| types(parts, schema).is_some_and(|of| are_comparable(&of));
    match expr {
        Expr::Alias(_) | Expr::Column(_) | Expr::Literal(_, _) => true,
        Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) => true,
        Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => true,
        Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => true,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            matches!(op, Operator::And | Operator::Or) || is_comparison(*op) && are_comparable(&[left, right])
        }
        Expr::Between(Between { expr, low, high, .. }) => are_comparable(&[expr, low, high]),
        Expr::InList(InList { expr, list, .. }) => {
            are_comparable(&std::iter::once(expr.as_ref()).chain(list).collect::<Vec<_>>())
        }
        Expr::Like(Like { expr, pattern, escape_char: None, .. }) => {
            is_short_pattern(pattern) && expr.get_type(schema).is_ok_and(|of| of == DataType::Utf8)
        }
        Expr::Case(case) => takes_all_cases(case, schema),
        Expr::Cast(Cast { expr, field }) => expr.get_type(schema).is_ok_and(|from| casts_all(&from, field.data_type())),
        Expr::TryCast(_) => true,
        Expr::Negative(inner) => inner.get_type(schema).is_ok_and(|of| of.is_floating()),
        Expr::ScalarFunction(call) => function_takes_all(call, schema),
        _ => false,
    }
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// The value that is compared, if there is one, and the results, which are of one type.
fn takes_all_cases(case: &Case, schema: &DFSchema) -> bool {
    let conditions = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
    let compared: Vec<&Expr> = match &case.expr {
        Some(value) => std::iter::once(value.as_ref()).chain(conditions).collect(),
        None => Vec::new(),
    };
    let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
    let results = types(&results.collect::<Vec<_>>(), schema);
    types(&compared, schema).is_some_and(|of| are_comparable(&of)) && results.is_some_and(|of| are_one_type(&of))
}

fn function_takes_all(call: &ScalarFunction, schema: &DFSchema) -> bool {
    let Some(of) = types(&call.args.iter().collect::<Vec<_>>(), schema) else { return false };
    match call.name() {
        // The names of a struct's fields are constants, which its planning has looked at.
        "canonical_float" | "sort_key" | "named_struct" => true,
        "coalesce" => are_one_type(&of),
        "nullif" => are_one_type(&of) && are_comparable(&of),
        "get_field" => of.first().is_some_and(|of| is_path_of_structs(of, &call.args[1..])),
        _ => false,
    }
}

/// Whether these are fields of fields. Of a map, a key may be of another type.
fn is_path_of_structs(of: &DataType, names: &[Expr]) -> bool {
    let Some((name, further)) = names.split_first() else { return true };
    let DataType::Struct(fields) = of else { return false };
    let Expr::Literal(ScalarValue::Utf8(Some(name)), _) = name else { return false };
    fields.find(name).is_some_and(|(_, field)| is_path_of_structs(field.data_type(), further))
}

/// Arrow makes a regular expression of a pattern, which may grow too large.
fn is_short_pattern(pattern: &Expr) -> bool {
    matches!(pattern, Expr::Literal(ScalarValue::Utf8(Some(text)), _) if text.len() <= PATTERN_BYTES_MAX)
}

fn types(exprs: &[&Expr], schema: &DFSchema) -> Option<Vec<DataType>> {
    exprs.iter().map(|expr| expr.get_type(schema).ok()).collect()
}

/// Whether the values need no cast to be of one type. NULL is of any.
fn are_one_type(of: &[DataType]) -> bool {
    let mut of = of.iter().filter(|of| **of != DataType::Null);
    of.next().is_none_or(|first| of.all(|other| other == first))
}

/// Whether Arrow itself compares the first value with all others, after casts that take every value.
fn are_comparable(of: &[DataType]) -> bool {
    let Some((first, others)) = of.split_first() else { return true };
    let is_simple =
        |of: &DataType| of.is_primitive() || matches!(of, DataType::Utf8 | DataType::Boolean | DataType::Null);
    let is_compared = |other: &DataType| {
        first == other
            || comparison_coercion(first, other)
                .is_some_and(|common| casts_all(first, &common) && casts_all(other, &common))
    };
    of.iter().all(is_simple) && others.iter().all(is_compared)
}

/// Whether a cast has a value for every one of a type.
fn casts_all(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Decimal128, Float32, Float64, Null, Timestamp, Utf8};
    match (from, to) {
        _ if from == to => true,
        (Null, _) => true,
        (Float32 | Decimal128(_, _), Float64) => true,
        (Boolean | Float32 | Float64, Utf8) => true,
        (_, Utf8 | Float32 | Float64) => from.is_integer(),
        (Decimal128(precision, scale), Decimal128(to_precision, to_scale)) => {
            to_scale >= scale && whole_digits(*to_precision, *to_scale) >= whole_digits(*precision, *scale)
        }
        (_, Decimal128(precision, scale)) => {
            integer_digits(from).is_some_and(|digits| *scale >= 0 && whole_digits(*precision, *scale) >= digits)
        }
        // A finer unit reaches less far.
        (Timestamp(unit, zone), Timestamp(to_unit, to_zone)) => unit >= to_unit && zone == to_zone,
        _ => integers_fit(from, to),
    }
}

fn whole_digits(precision: u8, scale: i8) -> i16 {
    i16::from(precision) - i16::from(scale)
}

/// Digits of the greatest integer of a type.
fn integer_digits(of: &DataType) -> Option<i16> {
    Some(match of {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    })
}

fn integers_fit(from: &DataType, to: &DataType) -> bool {
    if !from.is_integer() || !to.is_integer() {
        return false;
    }
    let (narrow, wide) = (from.primitive_width(), to.primitive_width());
    match (from.is_signed_integer(), to.is_signed_integer()) {
        (true, false) => false,
        (false, true) => narrow < wide,
        _ => narrow <= wide,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::datatypes::{Field, Schema, TimeUnit};
    use datafusion::logical_expr::{cast, col, lit, try_cast, when};

    use super::*;

    fn schema() -> DFSchema {
        let list = DataType::List(Field::new("item", DataType::Int64, true).into());
        let point = DataType::Struct(vec![Field::new("x", DataType::Int64, true)].into());
        let columns = [
            ("i", DataType::Int64),
            ("small", DataType::Int32),
            ("unsigned", DataType::UInt64),
            ("f", DataType::Float64),
            ("t", DataType::Utf8),
            ("d", DataType::Decimal128(10, 2)),
            ("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            ("list", list),
            ("point", point),
        ];
        let fields = columns.map(|(name, of)| Field::new(name, of, true));
        DFSchema::try_from(Schema::new(fields.to_vec())).unwrap()
    }

    fn fails(expr: Expr) -> bool {
        can_fail(&expr, &schema())
    }

    #[test]
    fn conditions_over_values_of_one_type_take_all() {
        assert!(!fails(col("i").gt(lit(3i64)).and(col("t").is_null().or(col("t").eq(lit("x"))))));
        assert!(!fails(col("t").like(lit("a%"))));
        assert!(fails(col("t").like(col("t"))));
        assert!(!fails(col("i").between(lit(1i64), lit(2i64))));
        assert!(!fails(col("i").in_list(vec![lit(1i64), lit(2i64)], true)));
        // Nested values are not compared by Arrow.
        assert!(fails(col("list").eq(col("list"))));
        assert!(fails(col("point").in_list(vec![col("point")], false)));
    }

    #[test]
    fn a_comparison_fails_if_its_cast_does() {
        assert!(!fails(col("i").eq(col("small"))));
        assert!(!fails(col("i").lt(col("f"))));
        assert!(!fails(col("small").eq(col("d"))));
        assert!(fails(col("t").eq(col("i"))));
        assert!(fails(col("at").gt(lit("2024-01-01"))));
    }

    #[test]
    fn arithmetic_fails() {
        assert!(fails(col("i") / lit(2i64)));
        assert!(fails(col("i") + lit(2i64)));
        assert!(fails((col("i") + lit(2i64)).is_null()));
    }

    #[test]
    fn casts_that_widen_take_all() {
        let to = |expr, to| fails(cast(expr, to));
        assert!(!to(col("small"), DataType::Int64));
        assert!(!to(col("i"), DataType::Float64));
        assert!(!to(col("i"), DataType::Utf8));
        assert!(!to(col("i"), DataType::Decimal128(21, 2)));
        assert!(!to(col("d"), DataType::Decimal128(12, 3)));
        assert!(!to(col("d"), DataType::Float64));
        assert!(!to(col("at"), DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))));
    }

    #[test]
    fn casts_that_narrow_fail() {
        let to = |expr, to| fails(cast(expr, to));
        assert!(to(col("i"), DataType::Int32));
        assert!(to(col("i"), DataType::UInt64));
        assert!(to(col("unsigned"), DataType::Int64));
        assert!(to(col("f"), DataType::Int64));
        assert!(to(col("t"), DataType::Int64));
        assert!(to(col("i"), DataType::Decimal128(20, 2)));
        assert!(to(col("d"), DataType::Decimal128(10, 3)));
        assert!(to(col("d"), DataType::Decimal128(10, 1)));
        assert!(to(col("at"), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))));
        assert!(!fails(try_cast(col("t"), DataType::Int64)));
    }

    #[test]
    fn a_case_fails_if_any_part_does() {
        assert!(!fails(when(col("i").is_null(), lit("x")).otherwise(col("t")).unwrap()));
        assert!(fails(when(col("i").is_null(), lit(1i64)).otherwise(col("i") / lit(2i64)).unwrap()));
        assert!(fails(when(col("i").is_null(), lit("x")).otherwise(col("i")).unwrap()));
    }

    #[test]
    fn what_is_not_known_can_fail() {
        assert!(fails(datafusion::functions::expr_fn::chr(col("i"))));
        assert!(!fails(datafusion::functions::expr_fn::coalesce(vec![col("i"), lit(0i64)])));
        assert!(fails(datafusion::functions::expr_fn::coalesce(vec![col("i"), col("t")])));
        assert!(!fails(datafusion::functions::expr_fn::get_field(col("point"), "x")));
    }
}
