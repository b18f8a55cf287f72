//! Calls that are written in another form: conditions as functions, JSON that becomes rows.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value, ValueWithSpan,
};

use super::patterns::translated;
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
    let Some(arguments) = arguments(function) else { return Ok(()) };
    let replaced = match (name, arguments.as_slice()) {
        ("if" | "iif", [condition, then, otherwise @ ..]) if otherwise.len() < 2 => Expr::Case {
            case_token: token(),
            end_token: token(),
            operand: None,
            conditions: vec![CaseWhen { condition: condition.clone(), result: then.clone() }],
            else_result: otherwise.first().cloned().map(Box::new),
        },
        ("jsonb_array_elements" | "json_array_elements", [list]) => rows("json_elements", list),
        ("jsonb_array_elements_text" | "json_array_elements_text", [list]) => rows("json_elements_text", list),
        ("jsonb_object_keys", [object]) => rows("json_object_keys", object),
        ("jsonb_each" | "json_each" | "jsonb_each_text" | "json_each_text", _) => {
            return plan_err!(
                "`{name}` gives rows of two columns: write `unnest(json_object_keys(j)) AS key`, and `j -> key` around it"
            );
        }
        ("xor", [left, right]) => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::PGBitwiseXor,
            right: Box::new(right.clone()),
        })),
        ("mod", [left, right]) => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(left.clone()))),
            op: BinaryOperator::Modulo,
            right: Box::new(Expr::Nested(Box::new(right.clone()))),
        })),
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

fn rows(list: &str, of: &Expr) -> Expr {
    Expr::Function(call("unnest", vec![Expr::Function(call(list, vec![of.clone()]))]))
}

/// A text that is written out.
fn written(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
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
