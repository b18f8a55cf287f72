//! LIKE with an escape character of its own, or for any of several patterns; SIMILAR TO; `substring(x FROM pattern)`.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, Expr, Subscript, UnaryOperator, Value, ValueWithSpan,
};

use super::rows::{bounded, parts};
use super::{call, number, text};

/// # Errors
/// If a pattern with an escape character of its own is not written out, or there are too many patterns.
pub(super) fn replace(expr: &mut Expr) -> Result<()> {
    if let Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } = expr {
        return any_of(expr);
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

/// One LIKE for each pattern.
fn any_of(expr: &mut Expr) -> Result<()> {
    let (Expr::Like { expr: of, pattern, negated, .. } | Expr::ILike { expr: of, pattern, negated, .. }) = &*expr
    else {
        return Ok(());
    };
    let patterns = match strip(pattern) {
        Expr::Array(Array { elem, .. }) | Expr::Tuple(elem) => elem.clone(),
        Expr::Value(_) => vec![strip(pattern).clone()],
        _ => return plan_err!("LIKE ANY takes patterns that are written out: `x LIKE ANY (ARRAY['a%', 'b%'])`"),
    };
    bounded(patterns.len() * parts(std::slice::from_ref(of.as_ref())))?;
    let negated = *negated;
    let one = |of: Expr| {
        let mut like = expr.clone();
        if let Expr::Like { pattern, any, negated, .. } | Expr::ILike { pattern, any, negated, .. } = &mut like {
            (**pattern, *any, *negated) = (of, false, false);
        }
        match negated {
            true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(like) },
            false => like,
        }
    };
    let each = patterns.into_iter().map(one);
    let any =
        each.reduce(|any, one| Expr::BinaryOp { left: Box::new(any), op: BinaryOperator::Or, right: Box::new(one) });
    *expr = Expr::Nested(Box::new(any.unwrap_or_else(|| Expr::value(Value::Boolean(false)))));
    Ok(())
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
