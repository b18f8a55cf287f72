//! Calls that are written in another form: conditions as functions, JSON that becomes rows.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgOperator, FunctionArgumentClause, FunctionArguments, Interval, JsonNullClause, Value, ValueWithSpan,
};

use super::patterns::translated;
use super::rows::{bounded, parts};
use super::{arguments, call, number, text, token};

/// Replaces a call of the function of that name, if it has another form here.
///
/// # Errors
/// If it is one of those that stand in FROM alone.
pub(super) fn replace(name: &str, expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    if name == "make_interval" {
        return name_parts(function);
    }
    if matches!(name, "json_object" | "json_array") {
        as_in_the_standard(name, function)?;
    }
    let Some(arguments) = arguments(function) else { return Ok(()) };
    let replaced = match (name, arguments.as_slice()) {
        ("if" | "iif", [condition, then, otherwise @ ..]) if otherwise.len() < 2 => Expr::Case {
            case_token: token(),
            end_token: token(),
            operand: None,
            conditions: vec![CaseWhen { condition: condition.clone(), result: then.clone() }],
            else_result: otherwise.first().cloned().map(Box::new),
        },
        // What is taken out of a list is no longer marked as JSON.
        ("jsonb_array_elements" | "json_array_elements", [list]) => {
            Expr::Function(call("json", vec![rows_of("json_elements", list)]))
        }
        ("jsonb_array_elements_text" | "json_array_elements_text", [list]) => rows_of("json_elements_text", list),
        ("jsonb_object_keys", [object]) => rows_of("json_object_keys", object),
        // PostgreSQL's and DuckDB's JSON_EXISTS.
        ("jsonb_exists", [_, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(path), .. })])
            if path == "$" || path.starts_with("$.") || path.starts_with("$[") =>
        {
            return plan_err!("a key is asked for, and `{path}` is a path: write `j #> '{{a,b}}' IS NOT NULL`");
        }
        ("jsonb_each" | "json_each" | "jsonb_each_text" | "json_each_text", _) => {
            return plan_err!(
                "`{name}` gives rows of two columns: call it in FROM, as in `FROM t, {name}(t.j) AS e(key, value)`"
            );
        }
        ("xor", [left, right]) => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::PGBitwiseXor,
            right: Box::new(right.clone()),
        })),
        ("mod", [left, right]) => binary(left.clone(), BinaryOperator::Modulo, right.clone()),
        (
            "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second" | "dayofyear" | "century"
            | "decade",
            [time],
        ) => {
            let part = if name == "dayofyear" { "doy" } else { name };
            Expr::Function(call("date_part", vec![text(part), time.clone()]))
        }
        ("dayofweek" | "weekday", [time]) => Expr::Function(call("date_part", vec![text("dow"), time.clone()])),
        ("isodow" | "epoch" | "isoyear", [time]) => Expr::Function(call("date_part", vec![text(name), time.clone()])),
        // Exact for decimals too.
        ("div", [dividend, divisor]) => {
            bounded(2 * parts(&arguments))?;
            let rest = binary(dividend.clone(), BinaryOperator::Modulo, divisor.clone());
            binary(binary(dividend.clone(), BinaryOperator::Minus, rest), BinaryOperator::Divide, divisor.clone())
        }
        ("array_fill", [value, Expr::Array(Array { elem, .. })]) if elem.len() == 1 => {
            Expr::Function(call("array_repeat", vec![value.clone(), elem[0].clone()]))
        }
        ("date_bin" | "time_bucket", [length, rest @ ..]) if written(length).is_some() => {
            let arguments = std::iter::once(interval(length)).chain(rest.iter().cloned());
            Expr::Function(call(name, arguments.collect()))
        }
        ("generate_series", [from, to, step]) if written(step).is_some() => {
            Expr::Function(call(name, vec![from.clone(), to.clone(), interval(step)]))
        }
        // In PostgreSQL the day, say, of the clocks there.
        ("date_trunc", [unit, time, zone]) => {
            let local = Expr::Function(call("timezone", vec![zone.clone(), time.clone()]));
            let cut = Expr::Function(call("date_trunc", vec![unit.clone(), local]));
            Expr::Function(call("timezone", vec![zone.clone(), cut]))
        }
        ("date_add", [time, length]) => binary(time.clone(), BinaryOperator::Plus, length.clone()),
        // With a dimension it is PostgreSQL's, where a list without elements has none.
        ("array_length" | "array_upper", [list, dimension]) if is_one(dimension) => {
            let length = Expr::Function(call("array_length", vec![list.clone()]));
            Expr::Function(call("nullif", vec![length, number(0)]))
        }
        ("convert_to", [value, _]) => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(value.clone()),
            data_type: DataType::Bytea,
            array: false,
            format: None,
        },
        ("json_extract_string" | "json_extract", [json, path]) => {
            let Some(steps) = written(path).and_then(steps) else { return Ok(()) };
            let op = if name == "json_extract" { BinaryOperator::HashArrow } else { BinaryOperator::HashLongArrow };
            Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(json.clone()), op, right: Box::new(text(&steps)) }))
        }
        ("dayname", [time]) => Expr::Function(call("to_char", vec![time.clone(), text("%A")])),
        ("monthname", [time]) => Expr::Function(call("to_char", vec![time.clone(), text("%B")])),
        ("to_char" | "to_date" | "to_timestamp", [time, pattern]) => {
            let Some(pattern) = written(pattern).map(translated).transpose()?.flatten() else { return Ok(()) };
            Expr::Function(call(name, vec![time.clone(), text(&pattern)]))
        }
        _ => return Ok(()),
    };
    *expr = replaced;
    Ok(())
}

fn rows_of(list: &str, of: &Expr) -> Expr {
    Expr::Function(call("unnest", vec![Expr::Function(call(list, vec![of.clone()]))]))
}

/// A text that is written out.
fn written(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

/// An operator between two arguments.
fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) }))
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) if number == "1")
}

/// A length of time that is written as a text.
fn interval(length: &Expr) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(length.clone()),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// DuckDB's key or path into JSON, `a` or `$.a[0].b`, as PostgreSQL's `{a,0,b}`; none if it is another one.
fn steps(path: &str) -> Option<String> {
    let Some(path) = path.strip_prefix('$') else {
        let is_plain = !path.is_empty() && path.chars().all(|char| char.is_alphanumeric() || char == '_');
        return is_plain.then(|| format!("{{{path}}}"));
    };
    let path = path.replace('[', ".[");
    let mut steps = Vec::new();
    for part in path.split('.').skip(1) {
        let step = match part.strip_prefix('[') {
            Some(place) => place.strip_suffix(']').filter(|place| place.parse::<u32>().is_ok())?,
            None => part,
        };
        let is_plain = !step.is_empty() && step.chars().all(|char| char.is_alphanumeric() || char == '_');
        steps.push(is_plain.then_some(step)?);
    }
    Some(format!("{{{}}}", steps.join(",")))
}

const PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Puts arguments of `make_interval` that have names in their places.
fn name_parts(function: &mut Function) -> Result<()> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    let unnamed = list.args.iter().take_while(|argument| matches!(argument, FunctionArg::Unnamed(_))).count();
    if unnamed == list.args.len() {
        return Ok(());
    }
    let mut placed: Vec<FunctionArg> = list.args.drain(..unnamed).collect();
    placed.resize_with(PARTS.len().max(unnamed), || FunctionArg::Unnamed(FunctionArgExpr::Expr(number(0))));
    for argument in list.args.drain(..) {
        let FunctionArg::Named { name, arg, .. } = argument else {
            return plan_err!("an argument of `make_interval` without a name follows one with a name");
        };
        let place = PARTS.iter().position(|part| name.value.eq_ignore_ascii_case(part));
        let Some(place) = place.filter(|place| *place >= unnamed) else {
            return plan_err!("`make_interval` has no `{name}`, or has it twice: there are {}", PARTS.join(", "));
        };
        placed[place] = FunctionArg::Unnamed(arg);
    }
    list.args = placed;
    Ok(())
}

/// `json_object('a' VALUE x)` as `json_object('a', x)`, and NULL ON NULL, which is what both functions do.
fn as_in_the_standard(name: &str, function: &mut Function) -> Result<()> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if list.clauses.contains(&FunctionArgumentClause::JsonNullClause(JsonNullClause::AbsentOnNull)) {
        return plan_err!(
            "`{name}` keeps NULLs: write `jsonb_strip_nulls(jsonb_build_object('a', x))` of an object, or \
                          `jsonb_agg(x) FILTER (WHERE x IS NOT NULL)` of a list"
        );
    }
    list.clauses.retain(|clause| !matches!(clause, FunctionArgumentClause::JsonNullClause(_)));
    let pairs = list.args.drain(..).flat_map(|argument| match argument {
        FunctionArg::Named { name, arg, operator: FunctionArgOperator::Value } => {
            let key = if name.quote_style == Some('\'') { text(&name.value) } else { Expr::Identifier(name) };
            vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(key)), FunctionArg::Unnamed(arg)]
        }
        FunctionArg::ExprNamed { name, arg, operator: FunctionArgOperator::Value } => {
            vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(name)), FunctionArg::Unnamed(arg)]
        }
        other => vec![other],
    });
    list.args = pairs.collect();
    Ok(())
}
