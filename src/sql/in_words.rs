//! Expressions in words of SQL: as the planner shows them, with other literals.

use datafusion::logical_expr::Expr;

use super::arithmetic::as_written;

/// An expression in words of SQL.
pub fn in_words(expr: &Expr) -> String {
    with_literals(&as_written(expr.clone()).human_display().to_string())
}

/// A text that has literals as the planner writes them, `Utf8("a")` and `Int64(1)`, with those of SQL.
pub(super) fn with_literals(text: &str) -> String {
    let (mut said, mut rest) = (String::new(), text);
    while let Some(found) = first_literal(rest) {
        said.push_str(&rest[..found.begin]);
        said.push_str(&found.literal);
        rest = &rest[found.end..];
    }
    said + rest
}

/// A literal, and from where to where it stands in a text, in bytes.
struct Found {
    begin: usize,
    end: usize,
    literal: String,
}

fn first_literal(text: &str) -> Option<Found> {
    text.match_indices(['(', '{']).find_map(|(at, _)| {
        let word = text[..at].trim_end_matches(' ');
        let begin = word.trim_end_matches(|char: char| char.is_ascii_alphanumeric()).len();
        let inner = &text[at + 1..];
        let (literal, length) = match &word[begin..] {
            "Utf8" | "LargeUtf8" | "Utf8View" => {
                let (literal, _) = inner.strip_prefix('"')?.split_once("\")")?;
                (format!("'{literal}'"), literal.len() + 3)
            }
            "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" | "Float32" | "Float64"
            | "Boolean" => {
                let (literal, _) = inner.split_once(')')?;
                let is_one = literal.parse::<f64>().is_ok() || matches!(literal, "true" | "false" | "NULL");
                (is_one.then(|| literal.to_owned())?, literal.len() + 1)
            }
            "Decimal128" | "Decimal256" => {
                let (digits, rest) = inner.strip_prefix("Some(")?.split_once("),")?;
                let (of_type, _) = rest.split_once(')')?;
                let (_, scale) = of_type.split_once(',')?;
                (decimal(digits, scale.parse().ok()?)?, digits.len() + of_type.len() + "Some(),)".len())
            }
            "IntervalMonthDayNano" => {
                let (fields, _) = inner.split_once('}')?;
                (interval(fields)?, fields.len() + 1)
            }
            _ => return None,
        };
        Some(Found { begin, end: at + 1 + length, literal })
    })
}

/// The number that so many of its digits after the point make.
fn decimal(digits: &str, scale: u8) -> Option<String> {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    if !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let scale = usize::from(scale);
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale)?;
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// ` months: 1, days: 0, nanoseconds: 0 ` as `INTERVAL '1 months'`.
fn interval(fields: &str) -> Option<String> {
    let mut words = Vec::new();
    for field in fields.split(',') {
        let (unit, number) = field.trim().split_once(": ")?;
        if number != "0" {
            words.push(format!("{number} {unit}"));
        }
    }
    Some(format!("INTERVAL '{}'", if words.is_empty() { "0 days".to_owned() } else { words.join(" ") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_those_of_sql() {
        let said = |text: &str| with_literals(text);
        assert_eq!(said("f(a, Utf8(\"x (y)\"), Int64(-1)) = Boolean(true)"), "f(a, 'x (y)', -1) = true");
        assert_eq!(said("a > Decimal128(Some(250),5,2) + Decimal128(Some(-5),3,2)"), "a > 2.50 + -0.05");
        assert_eq!(
            said("t + IntervalMonthDayNano { months: 1, days: 0, nanoseconds: 5 }"),
            "t + INTERVAL '1 months 5 nanoseconds'"
        );
        assert_eq!(said("größe(1) µ{ Größe Utf8(\"ä\") Utf8(\"ö"), "größe(1) µ{ Größe 'ä' Utf8(\"ö");
        assert_eq!(said("Decimal128(Some(é),5,200)"), "Decimal128(Some(é),5,200)");
        assert_eq!(said("takes f(Utf8, Int64)"), "takes f(Utf8, Int64)");
        assert_eq!(said("count(Int64(1)) of Decimal128(18, 2)"), "count(1) of Decimal128(18, 2)");
    }
}
