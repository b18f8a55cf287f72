//! What JSON contains: `@>`, `?`, `?|` and `?&`, as PostgreSQL's `jsonb` has them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::super::own::{Call, Function, all_texts, is_text, of_type};
use super::read::Value;

pub(super) static FUNCTIONS: [&Function; 4] = [&CONTAINS, &HAS_KEY, &HAS_ANY_KEY, &HAS_ALL_KEYS];

/// `@>`: whether the first value contains the second.
pub(super) static CONTAINS: Function = Function {
    name: "jsonb_contains",
    usage: "`j @> '{\"key\": 1}'`",
    takes: |types| all_texts(types).filter(|types| types.len() == 2),
    gives: |_| of_type(DataType::Boolean),
    compute: |call| {
        let both = call.text(0).iter().zip(call.text(1));
        let results = both.map(|(whole, part)| Some(contains(&Value::of(whole?)?, &Value::of(part?)?, true)));
        Ok(Arc::new(results.collect::<BooleanArray>()))
    },
};

/// `?`: whether there is such a key, or such a text in a list.
pub(super) static HAS_KEY: Function = Function {
    name: "jsonb_exists",
    usage: "`j ? 'key'`",
    takes: |types| all_texts(types).filter(|types| types.len() == 2),
    gives: |_| of_type(DataType::Boolean),
    compute: |call| {
        let both = call.text(0).iter().zip(call.text(1));
        let results = both.map(|(value, key)| Some(has_key(&Value::of(value?)?, key?)));
        Ok(Arc::new(results.collect::<BooleanArray>()))
    },
};

/// `?|`: whether there is any of the keys.
pub(super) static HAS_ANY_KEY: Function = Function {
    name: "jsonb_exists_any",
    usage: "`j ?| ['a', 'b']`",
    takes: text_and_list,
    gives: |_| of_type(DataType::Boolean),
    compute: |call| has_keys(call, |found| found.iter().any(|found| *found)),
};

/// `?&`: whether there are all keys.
pub(super) static HAS_ALL_KEYS: Function = Function {
    name: "jsonb_exists_all",
    usage: "`j ?& ['a', 'b']`",
    takes: text_and_list,
    gives: |_| of_type(DataType::Boolean),
    compute: |call| has_keys(call, |found| found.iter().all(|found| *found)),
};

fn text_and_list(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [json, DataType::List(_)] if is_text(json) => {
            Some(vec![DataType::Utf8, DataType::new_list(DataType::Utf8, true)])
        }
        _ => None,
    }
}

fn has_key(value: &Value<'_>, key: &str) -> bool {
    match value {
        Value::Object(_) => value.member(key).is_some(),
        Value::List(elements) => elements.iter().any(|element| is_the_text(element, key)),
        Value::Text(text) => text == key,
        _ => false,
    }
}

fn is_the_text(element: &str, text: &str) -> bool {
    matches!(Value::of(element), Some(Value::Text(found)) if found == text)
}

fn has_keys(call: &Call<'_>, holds: fn(&[bool]) -> bool) -> Result<ArrayRef> {
    let lists = call.arguments[1].as_list::<i32>();
    let result = |row: usize| {
        if lists.is_null(row) || call.text(0).is_null(row) {
            return None;
        }
        let value = Value::of(call.text(0).value(row))?;
        // A key that is NULL is none to look for.
        let keys = lists.value(row);
        let found: Vec<bool> = keys.as_string::<i32>().iter().flatten().map(|key| has_key(&value, key)).collect();
        Some(holds(&found))
    };
    Ok(Arc::new((0..call.rows).map(result).collect::<BooleanArray>()))
}

/// An object contains one whose members it contains, a list one whose every element one of its own contains. At the `top`, a list
/// contains a value that is one of its elements.
fn contains(whole: &Value<'_>, part: &Value<'_>, top: bool) -> bool {
    match (whole, part) {
        (Value::Object(_), Value::Object(members)) => members.iter().all(|(key, part)| {
            whole.member(key).is_some_and(|whole| both(whole, part).is_some_and(|(a, b)| contains(&a, &b, false)))
        }),
        (Value::List(wholes), Value::List(parts)) => parts.iter().all(|part| {
            let contains_it = |whole: &&str| {
                both(whole, part).is_some_and(|(whole, part)| {
                    let is_of_one_kind = std::mem::discriminant(&whole) == std::mem::discriminant(&part);
                    is_of_one_kind && contains(&whole, &part, false)
                })
            };
            wholes.iter().any(contains_it)
        }),
        (Value::List(wholes), part) if top && !matches!(part, Value::Object(_)) => {
            wholes.iter().any(|whole| Value::of(whole).is_some_and(|whole| contains(&whole, part, false)))
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(whole), Value::Bool(part)) => whole == part,
        (Value::Text(whole), Value::Text(part)) => whole == part,
        (Value::Number(whole), Value::Number(part)) => number(whole) == number(part),
        _ => false,
    }
}

fn both<'a>(whole: &'a str, part: &'a str) -> Option<(Value<'a>, Value<'a>)> {
    Some((Value::of(whole)?, Value::of(part)?))
}

/// Sign, digits without zeros at either end, and the power of ten of the last one: equal for equal numbers.
fn number(text: &str) -> (bool, String, i64) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let without_end = digits.trim_end_matches('0');
    let power = exponent.parse::<i64>().unwrap_or(i64::MAX / 2) - fraction.len() as i64
        + (digits.len() - without_end.len()) as i64;
    match without_end.trim_start_matches('0') {
        "" => (false, String::new(), 0),
        digits => (negative, digits.to_owned(), power),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What PostgreSQL 15 says of `jsonb`.
    #[test]
    fn containment_is_that_of_postgresql() {
        for (whole, part, expected) in [
            (r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#, true),
            (r#"{"a": 1}"#, r#"{"a": 1.0}"#, true),
            (r#"{"a": 100}"#, r#"{"a": 1e2}"#, true),
            (r#"{"a": -0.0}"#, r#"{"a": 0}"#, true),
            (r#"{"a": {"b": 1, "c": 2}}"#, r#"{"a": {"c": 2}}"#, true),
            (r#"{"a": [1, 2]}"#, r#"{"a": [2]}"#, true),
            (r#"{"a": [1, 2]}"#, r#"{"a": 2}"#, false),
            ("[1, 2, 3]", "[3, 1]", true),
            ("[1, 2]", "[1, 1]", true),
            ("[1, [2, 3]]", "[[3]]", true),
            ("[1, [2, 3]]", "[3]", false),
            (r#"["a", "b"]"#, r#""a""#, true),
            (r#"[{"a": 1}]"#, r#"{"a": 1}"#, false),
            (r#"[{"a": 1, "b": 2}]"#, r#"[{"a": 1}]"#, true),
            (r#"{"a": null}"#, r#"{"a": null}"#, true),
            (r#"{"a": 1}"#, "{}", true),
            (r#"{"a": 1}"#, "[]", false),
            ("1", "1", true),
            ("1", "[1]", false),
        ] {
            let (a, b) = both(whole, part).unwrap();
            assert_eq!(contains(&a, &b, true), expected, "{whole} @> {part}");
        }
    }
}
