//! When values of two systems are the same, and rows as multisets.
//!
//! Decimals and integers are compared by value, floats to nine digits, times by instant, lengths of time by what they add,
//! lists in order, objects by their members.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDateTime;

use super::json::Json;
use super::readside::Answer;

/// Of a float, relative.
const TOLERANCE: f64 = 1e-9;

/// What only one side has; none where they are the same.
pub(super) fn differences(ours: &Answer, theirs: &[Vec<Json>]) -> Option<String> {
    let mut left: Vec<&Vec<Json>> = theirs.iter().collect();
    let mut only_ours = Vec::new();
    for row in &ours.rows {
        match left.iter().position(|other| same_row(&ours.types, row, other)) {
            Some(place) => drop(left.swap_remove(place)),
            None => only_ours.push(row),
        }
    }
    if left.is_empty() && only_ours.is_empty() {
        return None;
    }
    let shown = |rows: Vec<&Vec<Json>>, sign: &str| -> String {
        let row = |row: &Vec<Json>| row.iter().map(Json::to_string).collect::<Vec<_>>().join(" | ");
        rows.into_iter().map(|values| format!("  {sign} {}\n", row(values))).collect()
    };
    let types = ours.types.join(" | ");
    Some(format!("  types: {types}\n{}{}", shown(only_ours, "only here: "), shown(left, "only there:")))
}

fn same_row(types: &[String], ours: &[Json], theirs: &[Json]) -> bool {
    let pairs = types.iter().zip(ours).zip(theirs);
    ours.len() == theirs.len() && pairs.into_iter().all(|((kind, ours), theirs)| same(kind, ours, theirs))
}

/// `kind` is the type of our value, as answers name it.
fn same(kind: &str, ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Null, Json::Null) => true,
        (Json::Bool(one), Json::Bool(other)) => one == other,
        (Json::List(one), Json::List(other)) => {
            let kind = kind.strip_prefix("list<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind);
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(kind, one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let is_there = |(name, value): &(String, Json)| {
                other.iter().any(|(other, theirs)| other == name && same(kind, value, theirs))
            };
            one.len() == other.len() && one.iter().all(is_there)
        }
        (Json::Number(one) | Json::Text(one), Json::Number(other) | Json::Text(other)) => {
            let are_texts = matches!((ours, theirs), (Json::Text(_), Json::Text(_)));
            same_text(kind, one, other, are_texts)
        }
        _ => false,
    }
}

fn same_text(kind: &str, ours: &str, theirs: &str, are_texts: bool) -> bool {
    let kind = kind.to_lowercase();
    let is = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
    if kind == "string" {
        return if are_texts { ours == theirs } else { same_number(ours, theirs) };
    }
    if is(&["timestamp", "date"]) {
        return instant(ours).is_some() && instant(ours) == instant(theirs);
    }
    if is(&["duration", "interval"]) {
        let total = |text| Length::parse(text).map(|length| if is(&["duration"]) { length.in_time() } else { length });
        return total(ours).is_some() && total(ours) == total(theirs);
    }
    if is(&["binary", "largebinary", "binaryview"]) {
        return STANDARD.decode(ours).ok() == from_hex(theirs);
    }
    if is(&["float"]) {
        return close(ours, theirs);
    }
    // What is in a struct or a map has a type of its own, which the answer does not tell apart.
    same_number(ours, theirs)
        || ours == theirs
        || (kind.contains("float") && close(ours, theirs))
        || (kind.contains("timestamp") && instant(ours).is_some() && instant(ours) == instant(theirs))
}

fn same_number(one: &str, other: &str) -> bool {
    decimal(one).is_some() && decimal(one) == decimal(other)
}

fn close(one: &str, other: &str) -> bool {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => {
            one == other
                || (one.is_nan() && other.is_nan())
                || (one - other).abs() <= TOLERANCE * one.abs().max(other.abs())
        }
        _ => false,
    }
}

/// Sign, digits without zeros at either end, and the power of ten of the last.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.trim_start_matches('+').parse::<i64>().ok()? - fraction.len() as i64;
    let significant = digits.trim_end_matches('0');
    let exponent = exponent + (digits.len() - significant.len()) as i64;
    let significant = significant.trim_start_matches('0').to_owned();
    Some(if significant.is_empty() { (false, significant, 0) } else { (is_negative, significant, exponent) })
}

/// Microseconds and below are kept. A date is its first moment.
fn instant(text: &str) -> Option<NaiveDateTime> {
    let text = text.replace(' ', "T");
    let text = if text.len() == "2024-01-01".len() { format!("{text}T00:00:00") } else { text };
    let text = ["Z", "+00:00", "+00"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(&text);
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

/// A length of time.
#[derive(Debug, Default, PartialEq)]
struct Length {
    months: i64,
    days: i64,
    seconds: f64,
}

impl Length {
    /// ISO 8601, or words such as `1 mons 2 days 3 hours 4 mins 5.5 secs`.
    fn parse(text: &str) -> Option<Self> {
        let mut length = Self::default();
        if let Some(text) = text.strip_prefix('P') {
            let (mut number, mut is_time) = (String::new(), false);
            for letter in text.chars() {
                match letter {
                    'T' => is_time = true,
                    '0'..='9' | '-' | '.' => number.push(letter),
                    unit => length.add(std::mem::take(&mut number).parse().ok()?, unit, is_time)?,
                }
            }
            return Some(length);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.chunks(2) {
            let [number, unit] = pair else { return None };
            let (unit, is_time) = match unit.trim_end_matches('s') {
                "year" => ('Y', false),
                "mon" => ('M', false),
                "day" => ('D', false),
                "hour" => ('H', true),
                "min" => ('M', true),
                "sec" => ('S', true),
                _ => return None,
            };
            length.add(number.parse().ok()?, unit, is_time)?;
        }
        Some(length)
    }

    fn add(&mut self, number: f64, unit: char, is_time: bool) -> Option<()> {
        match (unit, is_time) {
            ('Y', false) => self.months += 12 * number as i64,
            ('M', false) => self.months += number as i64,
            ('W', false) => self.days += 7 * number as i64,
            ('D', false) => self.days += number as i64,
            ('H', true) => self.seconds += number * 3600.0,
            ('M', true) => self.seconds += number * 60.0,
            ('S', true) => self.seconds += number,
            _ => return None,
        }
        Some(())
    }

    /// With its days as 24 hours each.
    fn in_time(self) -> Self {
        Self { days: 0, seconds: self.seconds + self.days as f64 * 86_400.0, ..self }
    }
}

#[test]
fn values_of_two_systems_are_compared_by_what_they_are() {
    let same =
        |kind: &str, ours: &str, theirs: &str| same(kind, &Json::parse(ours).unwrap(), &Json::parse(theirs).unwrap());
    for (kind, ours, theirs) in [
        ("decimal(10,2)", "\"1.50\"", "1.5"),
        ("decimal(10,2)", "\"-0.00\"", "0"),
        ("int64", "1200", "1.2e3"),
        ("float64", "0.1", "0.10000000000001"),
        ("timestamp", "\"2024-01-01T00:00:00.000000Z\"", "\"2024-01-01 00:00:00+00\""),
        ("date", "\"2024-01-01\"", "\"2024-01-01T00:00:00\""),
        ("list<decimal(4,1)>", "[\"1.0\", null]", "[1, null]"),
        ("string", "{\"a\": 1.0, \"b\": [2]}", "{\"b\": [2], \"a\": 1}"),
        ("Duration(µs)", "\"PT90000S\"", "\"P1DT1H\""),
        ("Interval(MonthDayNano)", "\"1 mons 2 days 3.500000000 secs\"", "\"P1M2DT3.5S\""),
        ("Binary", "\"AP8=\"", "\"\\\\x00ff\""),
    ] {
        assert!(same(kind, ours, theirs), "{kind}: {ours} and {theirs}");
    }
    for (kind, ours, theirs) in [
        ("decimal(10,2)", "\"1.50\"", "1.51"),
        ("float64", "0.1", "0.1000001"),
        ("string", "\"1.0\"", "\"1\""),
        ("string", "null", "\"\""),
        ("list<int64>", "[1, 2]", "[2, 1]"),
        ("timestamp", "\"2024-01-01T00:00:00.000001Z\"", "\"2024-01-01T00:00:00\""),
        ("bool", "true", "\"true\""),
        ("Duration(µs)", "\"PT1S\"", "\"PT2S\""),
    ] {
        assert!(!same(kind, ours, theirs), "{kind}: {ours} and {theirs}");
    }
}
