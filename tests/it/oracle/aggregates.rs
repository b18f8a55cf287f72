//! Random aggregate calls.

use super::expressions::Expressions;
use super::syntax::{Expr, expr};
use super::types::Type;

/// An aggregate call over the columns of `expressions`, its type, and the name of its function. Where the rows are not
/// events of one source in their order, calls that depend on an order say which.
pub(super) fn aggregate(expressions: &mut Expressions<'_>, in_stream_order: bool) -> (Expr, Type, &'static str) {
    let (call, of, name) = plain(expressions, in_stream_order);
    if expressions.random.u8(..4) == 0 {
        let filter = expressions.bool(1);
        return (expr("§ FILTER (WHERE §)", [call, filter]), of, name);
    }
    (call, of, name)
}

fn plain(e: &mut Expressions<'_>, in_stream_order: bool) -> (Expr, Type, &'static str) {
    let number = [Type::Int, Type::Float, Type::Decimal][e.random.usize(..3)].clone();
    match e.random.u8(..31) {
        0 | 1 => (expr("count(*)", []), Type::Int, "count"),
        2 => (expr("count(§)", [e.any(1).0]), Type::Int, "count"),
        3 => (expr("count(DISTINCT §)", [e.any(1).0]), Type::Int, "count distinct"),
        4 | 5 => (expr("sum(§)", [e.of(&number, 1)]), number, "sum"),
        6 => (expr("sum(DISTINCT §)", [e.of(&number, 1)]), number, "sum distinct"),
        7 | 8 => {
            let of = if number == Type::Decimal { Type::Decimal } else { Type::Float };
            (expr("avg(§)", [e.of(&number, 1)]), of, "avg")
        }
        9 => (expr("avg(DISTINCT §)", [e.of(&Type::Float, 1)]), Type::Float, "avg distinct"),
        10 | 11 => {
            let (x, of) = e.scalar(1);
            (expr("min(§)", [x]), of, "min")
        }
        12 | 13 => {
            let (x, of) = e.scalar(1);
            (expr("max(§)", [x]), of, "max")
        }
        14 => (expr("bool_and(§)", [e.bool(1)]), Type::Bool, "bool_and"),
        15 => (expr("bool_or(§)", [e.bool(1)]), Type::Bool, "bool_or"),
        16 => {
            let (x, of) = e.any(1);
            (ordered(e, "latest(§", x, in_stream_order), of, "latest")
        }
        17 => {
            let (x, of) = e.any(1);
            (ordered(e, "earliest(§", x, in_stream_order), of, "earliest")
        }
        18 => {
            let (x, of) = e.any(1);
            (ordered(e, "collect(§", x, in_stream_order), Type::List(Box::new(of)), "collect")
        }
        19 => picked(e, "max_by", in_stream_order),
        20 => picked(e, "min_by", in_stream_order),
        21 => {
            let (x, of) = e.any(1);
            (ordered(e, "array_agg(§", x, in_stream_order), Type::List(Box::new(of)), "array_agg")
        }
        22 => {
            let (x, of) = e.scalar(1);
            (expr("array_agg(DISTINCT §)", [x]), Type::List(Box::new(of)), "array_agg distinct")
        }
        23 => {
            let x = e.of(&Type::Text, 1);
            (ordered(e, "string_agg(§, ','", x, in_stream_order), Type::Text, "string_agg")
        }
        24 => {
            let (x, of) = e.any(1);
            (ordered(e, "first_value(§", x, in_stream_order), of, "first_value")
        }
        25 => {
            let (x, of) = e.any(1);
            (ordered(e, "last_value(§", x, in_stream_order), of, "last_value")
        }
        26 => {
            let key = e.of(&Type::Text, 0);
            let (x, of) = e.any(1);
            let order = order(e, in_stream_order);
            let call = match order {
                Some(order) => expr("map_agg(§, § ORDER BY §)", [key, x, order]),
                None => expr("map_agg(§, §)", [key, x]),
            };
            (call, Type::Map(Box::new(of)), "map_agg")
        }
        27 => (expr("median(§)", [e.of(&number, 1)]), number, "median"),
        28 => (expr("var_pop(§)", [e.of(&number, 1)]), Type::Float, "var_pop"),
        29 => (expr("stddev(§)", [e.of(&number, 1)]), Type::Float, "stddev"),
        _ => {
            let (x, of) = e.any(1);
            (ordered(e, "nth_value(§, 2", x, in_stream_order), of, "nth_value")
        }
    }
}

fn picked(e: &mut Expressions<'_>, name: &'static str, in_stream_order: bool) -> (Expr, Type, &'static str) {
    let (x, of) = e.any(1);
    let by = e.key(1).0;
    let call = match order(e, in_stream_order) {
        Some(order) => expr(format!("{name}(§, § ORDER BY §)"), [x, by, order]),
        None => expr(format!("{name}(§, §)"), [x, by]),
    };
    (call, of, name)
}

/// `begin` with its argument and an order, if one is needed or wanted.
fn ordered(e: &mut Expressions<'_>, begin: &str, x: Expr, in_stream_order: bool) -> Expr {
    match order(e, in_stream_order) {
        Some(order) => expr(format!("{begin} ORDER BY §)"), [x, order]),
        None => expr(format!("{begin})"), [x]),
    }
}

fn order(e: &mut Expressions<'_>, in_stream_order: bool) -> Option<Expr> {
    if in_stream_order && e.random.bool() {
        return None;
    }
    let direction = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"][e.random.usize(..4)];
    Some(expr(format!("§{direction}"), [e.key(0).0]))
}
