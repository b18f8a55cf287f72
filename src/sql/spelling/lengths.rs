//! Lengths of time as PostgreSQL also writes them: `INTERVAL '01:30:00'`, `INTERVAL '1 day 02:00'`, `INTERVAL '1 02:00' DAY TO SECOND`,
//! `INTERVAL '1-6' YEAR TO MONTH`, `INTERVAL 'P1DT2H'`, `INTERVAL '1 month - 1 day'`; and DuckDB's `INTERVAL (n) DAY`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, Expr, Interval, UnaryOperator, Value, ValueWithSpan,
};

use super::{call, text};

/// Puts words in the place of what DataFusion does not read.
pub(super) fn replace(expr: &mut Expr) {
    if let Some(times) = times(expr) {
        *expr = times;
    }
    if let Expr::Interval(interval) = expr {
        without_fields(interval);
    }
    let value = match expr {
        Expr::Interval(Interval { value, leading_field: None, .. }) => value,
        Expr::Cast { data_type: DataType::Interval { .. }, expr: value, .. } => value,
        _ => return,
    };
    if let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = value.as_mut() {
        let signed = of_signs(text);
        let written = signed.as_deref().unwrap_or(text);
        if let Some(words) = of_iso(written).or_else(|| of_months(written)).or_else(|| of_clock(written)).or(signed) {
            *text = words;
        }
    }
}

/// `INTERVAL (n) DAY` as `CAST(trunc(n) AS BIGINT) * INTERVAL '1 DAY'`: seconds alone may have a fraction, as in DuckDB.
fn times(expr: &Expr) -> Option<Expr> {
    let Expr::Interval(Interval {
        value, leading_field: Some(field), leading_precision: None, last_field: None, ..
    }) = expr
    else {
        return None;
    };
    if is_written(value) {
        return None;
    }
    let one = Interval {
        value: Box::new(text(&format!("1 {field}"))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    let count = Expr::Nested(value.clone());
    let count = match field {
        DateTimeField::Second | DateTimeField::Seconds => count,
        _ => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Function(call("trunc", vec![count]))),
            data_type: DataType::BigInt(None),
            array: false,
            format: None,
        },
    };
    let one = Expr::Interval(one);
    let times = Expr::BinaryOp { left: Box::new(count), op: BinaryOperator::Multiply, right: Box::new(one) };
    Some(Expr::Nested(Box::new(times)))
}

/// Whether a length is a literal, which DataFusion reads with its unit. A parameter is none.
pub(in crate::sql) fn is_written(value: &Expr) -> bool {
    match value {
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_written(expr),
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        _ => false,
    }
}

/// Leaves out the fields behind a text that has all of them.
fn without_fields(interval: &mut Interval) {
    use DateTimeField::{Day, Hour, Month, Second, Year};
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = interval.value.as_ref() else {
        return;
    };
    let has_all = match (&interval.leading_field, &interval.last_field) {
        (Some(Year), Some(Month)) => of_months(text).is_some(),
        (Some(Day), Some(Second)) => text.trim().contains(' ') && of_clock(text).is_some(),
        (Some(Hour), Some(Second)) => text.matches(':').count() == 2 && of_clock(text).is_some(),
        _ => false,
    };
    if has_all && interval.leading_precision.is_none() && interval.fractional_seconds_precision.is_none() {
        (interval.leading_field, interval.last_field) = (None, None);
    }
}

/// `1-6` as `1 years 6 months`.
fn of_months(text: &str) -> Option<String> {
    let (sign, text) = text.trim().strip_prefix('-').map_or(("", text.trim()), |text| ("-", text));
    let (years, months) = text.split_once('-')?;
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|char| char.is_ascii_digit());
    (is_number(years) && is_number(months)).then(|| format!("{sign}{years} years {sign}{months} months"))
}

/// `1 month - 1 day` as `1 month -1 day`.
fn of_signs(text: &str) -> Option<String> {
    let signed = text.replace("- ", "-").replace("+ ", "");
    (signed != text).then_some(signed)
}

/// `P1DT2H` as `1 days 2 hours`.
fn of_iso(text: &str) -> Option<String> {
    let mut words = Vec::new();
    let (mut number, mut is_time) = (String::new(), false);
    for char in text.strip_prefix('P')?.chars() {
        let unit = match (char, is_time) {
            ('T', false) => {
                is_time = true;
                continue;
            }
            ('0'..='9' | '.' | '-', _) => {
                number.push(char);
                continue;
            }
            ('Y', false) => "years",
            ('M', false) => "months",
            ('W', false) => "weeks",
            ('D', false) => "days",
            ('H', true) => "hours",
            ('M', true) => "minutes",
            ('S', true) => "seconds",
            _ => return None,
        };
        words.push(format!("{} {unit}", std::mem::take(&mut number)));
    }
    (number.is_empty() && !words.is_empty()).then(|| words.join(" "))
}

/// The last word, `01:30:15.5`, as `1 hours 30 minutes 15.5 seconds`. A number before it is one of days.
fn of_clock(text: &str) -> Option<String> {
    let (before, clock) = text.trim().rsplit_once(' ').unwrap_or(("", text.trim()));
    let (sign, clock) = clock.strip_prefix('-').map_or(("", clock), |clock| ("-", clock));
    let parts: Vec<&str> = clock.split(':').collect();
    let is_number = |part: &&str| !part.is_empty() && part.chars().all(|char| char.is_ascii_digit() || char == '.');
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(is_number) {
        return None;
    }
    let units = ["hours", "minutes", "seconds"];
    let words: Vec<String> = parts.iter().zip(units).map(|(part, unit)| format!("{sign}{part} {unit}")).collect();
    let days = before.trim().trim_start_matches('-');
    let unit = if !days.is_empty() && is_number(&days) { " days" } else { "" };
    Some(format!("{before}{unit} {}", words.join(" ")).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_become_words() {
        assert_eq!(
            of_iso("P1Y2M3DT4H5M6.5S").as_deref(),
            Some("1 years 2 months 3 days 4 hours 5 minutes 6.5 seconds")
        );
        assert_eq!(of_iso("1 day"), None);
        assert_eq!(of_clock("01:30:00").as_deref(), Some("01 hours 30 minutes 00 seconds"));
        assert_eq!(of_clock("1 day -02:30").as_deref(), Some("1 day -02 hours -30 minutes"));
        assert_eq!(of_clock("90 minutes"), None);
        assert_eq!(of_clock("-1 02:30").as_deref(), Some("-1 days 02 hours 30 minutes"));
        assert_eq!(of_months("1-6").as_deref(), Some("1 years 6 months"));
        assert_eq!(of_months("-1-6").as_deref(), Some("-1 years -6 months"));
        assert_eq!(of_months("2024-01-02"), None);
        assert_eq!(of_signs("1 month - 1 day + 2 hours").as_deref(), Some("1 month -1 day 2 hours"));
        assert_eq!(of_signs("1 month -1 day"), None);
    }
}
