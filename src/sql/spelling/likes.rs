//! LIKE with an escape character of its own, or for any or all of several patterns, and so `~`; SIMILAR TO; `substring(x FROM pattern)`.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, DataType, Expr, Function, Subscript, UnaryOperator, Value, ValueWithSpan,
};

use super::rows::{bounded, parts};
use super::{arguments, call, name_of, number, text};

/// # Errors
/// If a pattern with an escape character of its own is not written out, or there are too many patterns.
pub(super) fn replace(expr: &mut Expr) -> Result<()> {
    if let Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } = expr {
        return of_each(expr);
    }
    if let Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } = &*expr
        && matches!(strip(pattern), Expr::Function(all) if is_all(all))
    {
        return of_each(expr);
    }
    match expr {
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            let Some(escape) = escape_char.as_ref().and_then(|escape| written(&escape.value)) else { return Ok(()) };
            if escape == "\\" {
                return Ok(());
            }
            let Expr::Value(ValueWithSpan { value, .. }) = pattern.as_ref() else {
                return plan_err!("a pattern with an escape character is written out: `x LIKE '50!%' ESCAPE '!'`");
            };
            let Some(escaped) = written(value).map(|pattern| with_backslashes(pattern, escape)) else { return Ok(()) };
            **pattern = text(&escaped);
            *escape_char = None;
            Ok(())
        }
        Expr::SimilarTo { negated, expr: of, pattern, escape_char } => {
            let escape = match escape_char {
                Some(escape) => written(&escape.value).map(str::to_owned),
                None => Some("\\".to_owned()),
            };
            let Expr::Value(ValueWithSpan { value, .. }) = pattern.as_ref() else { return Ok(()) };
            let (Some(escape), Some(pattern)) = (escape, written(value)) else { return Ok(()) };
            let pattern = text(&as_regular_expression(pattern, &escape));
            let met = Expr::Function(call("regexp_like", vec![(**of).clone(), pattern]));
            *expr = match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(met) },
                false => met,
            };
            Ok(())
        }
        Expr::Substring { expr: of, substring_from: Some(pattern), substring_for: None, .. } if is_text(pattern) => {
            let groups = Expr::Function(call("regexp_match", vec![(**of).clone(), (**pattern).clone()]));
            *expr = Expr::CompoundFieldAccess {
                root: Box::new(Expr::Nested(Box::new(groups))),
                access_chain: vec![AccessExpr::Subscript(Subscript::Index { index: number(1) })],
            };
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A pattern of SIMILAR TO, which the whole text meets: `%` and `_` are those of LIKE, the rest is that of regular expressions, but for
/// what stands for itself in the one and not in the other.
fn as_regular_expression(pattern: &str, escape: &str) -> String {
    let mut expression = String::from("(?s)^(?:");
    let mut letters = pattern.chars();
    let mut in_brackets = false;
    while let Some(letter) = letters.next() {
        if escape.starts_with(letter) {
            letters.next().into_iter().for_each(|letter| literally(letter, &mut expression));
            continue;
        }
        match letter {
            '[' if !in_brackets => in_brackets = true,
            ']' => in_brackets = false,
            '%' if !in_brackets => {
                expression.push_str(".*");
                continue;
            }
            '_' if !in_brackets => {
                expression.push('.');
                continue;
            }
            '.' | '$' | '\\' => expression.push('\\'),
            '^' if !in_brackets => expression.push('\\'),
            _ => {}
        }
        expression.push(letter);
    }
    expression.push_str(")$");
    expression
}

fn literally(letter: char, expression: &mut String) {
    if letter.is_ascii_punctuation() {
        expression.push('\\');
    }
    expression.push(letter);
}

/// One LIKE for each pattern. The parser takes `ALL (…)` for a call.
fn of_each(expr: &mut Expr) -> Result<()> {
    let (Expr::Like { expr: of, pattern, negated, any, .. } | Expr::ILike { expr: of, pattern, negated, any, .. }) =
        &*expr
    else {
        return Ok(());
    };
    let Some(patterns) = written_out(pattern) else {
        return plan_err!("LIKE ANY and LIKE ALL take patterns that are written out: `x LIKE ANY (ARRAY['a%', 'b%'])`");
    };
    bounded(patterns.len() * parts(std::slice::from_ref(of.as_ref())))?;
    let (is_any, negated) = (*any, *negated);
    // Without the patterns, of which each copy is given one.
    let mut bare = expr.clone();
    if let Expr::Like { pattern, any, negated, .. } | Expr::ILike { pattern, any, negated, .. } = &mut bare {
        (**pattern, *any, *negated) = (Expr::value(Value::Null), false, false);
    }
    let one = |of: Expr| {
        let mut like = bare.clone();
        if let Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } = &mut like {
            **pattern = of;
        }
        match negated {
            true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(like) },
            false => like,
        }
    };
    *expr = joined(patterns.into_iter().map(one), is_any);
    Ok(())
}

/// `x ~ ANY (ARRAY['a', 'b'])` as `x ~ 'a' OR x ~ 'b'`, and so with ALL: what matches a pattern is computed of one.
///
/// # Errors
/// If there are too many patterns.
pub(super) fn each_written_out(expr: &mut Expr) -> Result<()> {
    let (left, op, right, is_any) = match &*expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, true),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, false),
        _ => return Ok(()),
    };
    use BinaryOperator::{
        PGILikeMatch, PGLikeMatch, PGNotILikeMatch, PGNotLikeMatch, PGRegexIMatch, PGRegexMatch, PGRegexNotIMatch,
        PGRegexNotMatch,
    };
    let matches = [
        PGILikeMatch,
        PGLikeMatch,
        PGNotILikeMatch,
        PGNotLikeMatch,
        PGRegexIMatch,
        PGRegexMatch,
        PGRegexNotIMatch,
        PGRegexNotMatch,
    ];
    let Some(patterns) = written_out(right).filter(|_| matches.contains(op)) else { return Ok(()) };
    bounded(patterns.len() * parts(std::slice::from_ref(left.as_ref())))?;
    let one = |pattern| Expr::BinaryOp { left: left.clone(), op: op.clone(), right: Box::new(pattern) };
    *expr = joined(patterns.into_iter().map(one), is_any);
    Ok(())
}

/// Whether any of the conditions, or all of them, are met.
fn joined(conditions: impl Iterator<Item = Expr>, is_any: bool) -> Expr {
    let op = if is_any { BinaryOperator::Or } else { BinaryOperator::And };
    let two = |left, right| Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) };
    Expr::Nested(Box::new(conditions.reduce(two).unwrap_or_else(|| Expr::value(Value::Boolean(!is_any)))))
}

/// The patterns behind ANY or ALL, if the text has them one by one. A parameter may be a list, and so may a text in braces.
fn written_out(patterns: &Expr) -> Option<Vec<Expr>> {
    match strip(patterns) {
        Expr::Array(Array { elem, .. }) | Expr::Tuple(elem) => Some(elem.clone()),
        Expr::Function(all) if is_all(all) => match arguments(all)?.as_slice() {
            [one] => written_out(one),
            several => Some(several.to_vec()),
        },
        Expr::Cast { expr, data_type: DataType::Array(_), .. } if matches!(**expr, Expr::Array(_)) => written_out(expr),
        pattern @ Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. })
            if !text.starts_with('{') =>
        {
            Some(vec![pattern.clone()])
        }
        _ => None,
    }
}

/// Whether a pattern is `ALL (…)`.
fn is_all(function: &Function) -> bool {
    name_of(function).is_some_and(|name| name == "all")
}

fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value, .. }) if written(value).is_some())
}

fn written(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}

/// The pattern with a backslash for its escape character. An empty one escapes nothing.
fn with_backslashes(pattern: &str, escape: &str) -> String {
    let escape = escape.chars().next();
    let mut escaped = String::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            char if Some(char) == escape => {
                escaped.push('\\');
                escaped.extend(chars.next());
            }
            '\\' => escaped.push_str("\\\\"),
            char => escaped.push(char),
        }
    }
    escaped
}
