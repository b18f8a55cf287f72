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
    if e.random.u8(..5) < 2 {
        return of_values(e, in_stream_order);
    }
    let number = [Type::Int, Type::Float, Type::Decimal, Type::Int32][e.random.usize(..4)].clone();
    let float = |name: &'static str, x: Expr| (expr(format!("{name}(§)"), [x]), Type::Float, name);
    match e.random.u8(..28) {
        0 => (expr("count(*)", []), Type::Int, "count(*)"),
        1 => (expr("count(§)", [e.any(1).0]), Type::Int, "count"),
        2 => (expr("count(DISTINCT §)", [e.any(1).0]), Type::Int, "count distinct"),
        3 => (expr("sum(§)", [e.of(&Type::Int, 1)]), Type::Int, "sum of int64"),
        4 => (expr("sum(§)", [e.of(&Type::Int32, 0)]), Type::Int, "sum of int32"),
        5 => (expr("sum(§)", [e.of(&Type::Float, 1)]), Type::Float, "sum of float64"),
        6 => (expr("sum(§)", [e.of(&Type::Decimal, 1)]), Type::Decimal, "sum of decimal"),
        7 => (expr("sum(DISTINCT §)", [e.of(&number, 1)]), number, "sum distinct"),
        8 => (expr("avg(§)", [e.of(&Type::Float, 1)]), Type::Float, "avg"),
        9 => (expr("avg(§)", [e.of(&Type::Decimal, 1)]), Type::Decimal, "avg of decimal"),
        10 => (expr("avg(DISTINCT §)", [e.of(&Type::Float, 1)]), Type::Float, "avg distinct"),
        11 => (expr("bool_and(§)", [e.bool(1)]), Type::Bool, "bool_and"),
        12 => (expr("bool_or(§)", [e.bool(1)]), Type::Bool, "bool_or"),
        13 => (expr("median(§)", [e.of(&number, 1)]), number, "median"),
        14 => {
            let x = e.of(&Type::Float, 1);
            (expr("percentile_cont(0.25) WITHIN GROUP (ORDER BY §)", [x]), Type::Float, "percentile_cont")
        }
        15 => float("var_pop", e.of(&number, 1)),
        16 => float("var_samp", e.of(&number, 1)),
        17 => float("stddev", e.of(&number, 1)),
        18 => float("stddev_pop", e.of(&number, 1)),
        19 => (expr("bit_and(§)", [e.of(&Type::Int, 1)]), Type::Int, "bit_and"),
        20 => (expr("bit_or(§)", [e.of(&Type::Int, 1)]), Type::Int, "bit_or"),
        21 => (expr("bit_xor(§)", [e.of(&Type::Int, 1)]), Type::Int, "bit_xor"),
        22 => (expr("bit_xor(DISTINCT §)", [e.of(&Type::Int32, 0)]), Type::Int32, "bit_xor distinct"),
        23 => {
            let (x, of) = e.scalar(1);
            (expr("mode(§)", [x]), of, "mode")
        }
        24 => {
            let x = e.of(&number, 1);
            (expr("percentile_disc(0.3) WITHIN GROUP (ORDER BY §)", [x]), number, "percentile_disc")
        }
        25 => (expr("corr(§, §)", [e.of(&Type::Float, 1), e.of(&Type::Float, 0)]), Type::Float, "corr"),
        26 => (expr("regr_slope(§, §)", [e.of(&number, 0), e.of(&Type::Float, 1)]), Type::Float, "regr_slope"),
        _ => (expr("median(DISTINCT §)", [e.of(&number, 1)]), number, "median distinct"),
    }
}

/// Aggregates over values of any type.
fn of_values(e: &mut Expressions<'_>, in_stream_order: bool) -> (Expr, Type, &'static str) {
    if e.random.u8(..6) == 0 {
        let ((x, of), name) = (e.scalar(1), ["min", "max"][e.random.usize(..2)]);
        return (expr(format!("{name}(§)"), [x]), of, name);
    }
    let (x, of) = e.any(1);
    match e.random.u8(..15) {
        0 => (ordered(e, "latest(§", x, in_stream_order), of, "latest"),
        1 => (ordered(e, "earliest(§", x, in_stream_order), of, "earliest"),
        2 => (ordered(e, "collect(§", x, in_stream_order), Type::List(Box::new(of)), "collect"),
        3 => picked(e, "max_by", in_stream_order),
        4 => picked(e, "min_by", in_stream_order),
        5 => (ordered(e, "array_agg(§", x, in_stream_order), Type::List(Box::new(of)), "array_agg"),
        6 => {
            let (x, of) = e.scalar(1);
            (expr("array_agg(DISTINCT §)", [x]), Type::List(Box::new(of)), "array_agg distinct")
        }
        7 => {
            let x = e.of(&Type::Text, 1);
            (ordered(e, "string_agg(§, ','", x, in_stream_order), Type::Text, "string_agg")
        }
        8 => (ordered(e, "first_value(§", x, in_stream_order), of, "first_value"),
        9 => (ordered(e, "last_value(§", x, in_stream_order), of, "last_value"),
        10 => {
            let key = e.of(&Type::Text, 0);
            let call = match order(e, in_stream_order) {
                Some(order) => expr("map_agg(§, § ORDER BY §)", [key, x, order]),
                None => expr("map_agg(§, §)", [key, x]),
            };
            (call, Type::Map(Box::new(of)), "map_agg")
        }
        13 => (ordered(e, "jsonb_agg(§", x, in_stream_order), Type::Json, "jsonb_agg"),
        11 => (ordered(e, "any_value(§", x, in_stream_order), of, "any_value"),
        12 => {
            let ((x, of), direction) = (e.scalar(1), ["", " DESC"][e.random.usize(..2)]);
            let call = format!("nth_value(DISTINCT §, {} ORDER BY §{direction})", place(e));
            (expr(call, [x.clone(), x]), of, "nth_value distinct")
        }
        _ => {
            let begin = format!("nth_value(§, {}", place(e));
            (ordered(e, &begin, x, in_stream_order), of, "nth_value")
        }
    }
}

fn place(e: &mut Expressions<'_>) -> i64 {
    [1, 2, 3, -1, -2, 5][e.random.usize(..6)]
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
