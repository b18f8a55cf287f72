//! Lengths of time as PostgreSQL also writes them: `INTERVAL '01:30:00'`, `INTERVAL '1 day 02:00'`, `INTERVAL 'P1DT2H'`,
//! `INTERVAL '1 month - 1 day'`.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Interval, Value, ValueWithSpan};

/// Puts words in the place of what DataFusion does not read.
pub(super) fn replace(expr: &mut Expr) {
    let value = match expr {
        Expr::Interval(Interval { value, leading_field: None, .. }) => value,
        Expr::Cast { data_type: DataType::Interval { .. }, expr: value, .. } => value,
        _ => return,
    };
    if let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = value.as_mut() {
        let signed = of_signs(text);
        let written = signed.as_deref().unwrap_or(text);
        if let Some(words) = of_iso(written).or_else(|| of_clock(written)).or(signed) {
            *text = words;
        }
    }
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

/// The last word, `01:30:15.5`, as `1 hours 30 minutes 15.5 seconds`.
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
    Some(format!("{before} {}", words.join(" ")).trim().to_owned())
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
        assert_eq!(of_signs("1 month - 1 day + 2 hours").as_deref(), Some("1 month -1 day 2 hours"));
        assert_eq!(of_signs("1 month -1 day"), None);
    }
}
