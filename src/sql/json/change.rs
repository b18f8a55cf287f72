//! JSON that is made of other JSON: `||`, `-`, `#-`, `jsonb_set` and `jsonb_strip_nulls`, as PostgreSQL has them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};

use super::super::own::{Call, Function, all_texts, is_text};
use super::elements::one_text;
use super::json;
use super::path::steps;
use super::read::{Value, compact, place_in};
use super::write::Members;

pub(super) static FUNCTIONS: [&Function; 6] = [
    &CONCAT,
    &DELETE,
    &DELETE_PATH,
    &Function {
        name: "jsonb_set",
        usage: "`jsonb_set(j, '{a,b}', value)`, the value as JSON: `to_jsonb(x)`",
        takes: |types| match types {
            [json, path, value, create @ ..]
                if [json, path, value].iter().all(|of| is_text(of)) && create.len() < 2 =>
            {
                Some(
                    [&[DataType::Utf8, DataType::Utf8, DataType::Utf8][..], &[DataType::Boolean][..create.len()]]
                        .concat(),
                )
            }
            _ => None,
        },
        gives: |_| Ok(json()),
        compute: |call| {
            by_row(call, |row| {
                let creates = call.arguments.get(3).is_none_or(|creates| creates.as_boolean().value(row));
                let path = steps(call.text(1).value(row))?;
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let value = compact(call.text(2).value(row)).into_owned();
                Ok(at_path(call.text(0).value(row), &path, Change::Set { value, creates }))
            })
        },
    },
    &strip_nulls("json_strip_nulls"),
    &strip_nulls("jsonb_strip_nulls"),
];

/// `||`: members of both objects, elements of both lists.
pub(super) static CONCAT: Function = Function {
    name: "jsonb_concat",
    usage: "`j || '{\"key\": 1}'`",
    takes: |types| all_texts(types).filter(|types| types.len() == 2),
    gives: |_| Ok(json()),
    compute: |call| {
        by_row(call, |row| {
            let texts = [call.text(0).value(row), call.text(1).value(row)].map(compact);
            match [Value::of(&texts[0]), Value::of(&texts[1])] {
                [Some(Value::Object(left)), Some(Value::Object(right))] => {
                    let mut members = Members::default();
                    left.iter().chain(&right).for_each(|(key, value)| members.set(key, value));
                    Ok(Some(members.written()))
                }
                [Some(left), Some(right)] => {
                    let elements = |value, text| if let Value::List(elements) = value { elements } else { vec![text] };
                    let all = [elements(left, &texts[0]), elements(right, &texts[1])].concat();
                    Ok(Some(format!("[{}]", all.join(","))))
                }
                _ => Ok(None),
            }
        })
    },
};

/// `-`: without a key, or a place of a list.
pub(super) static DELETE: Function = Function {
    name: "jsonb_delete",
    usage: "`j - 'key'`, `j - 0` or `j - ARRAY['a', 'b']`",
    takes: |types| match types {
        [json, step] if is_text(json) && is_text(step) => Some(vec![DataType::Utf8; 2]),
        [json, step] if is_text(json) && step.is_integer() => Some(vec![DataType::Utf8, DataType::Int64]),
        [json, DataType::List(step)] if is_text(json) && is_text(step.data_type()) => {
            Some(vec![DataType::Utf8, DataType::new_list(DataType::Utf8, true)])
        }
        _ => None,
    },
    gives: |_| Ok(json()),
    compute: |call| {
        if let DataType::List(_) = call.arguments[1].data_type() {
            return by_row(call, |row| {
                without_keys(call.text(0).value(row), &call.arguments[1].as_list::<i32>().value(row))
            });
        }
        by_row(call, |row| {
            let text = compact(call.text(0).value(row)).into_owned();
            let step = match call.arguments[1].data_type() {
                DataType::Int64 => Err(call.arguments[1].as_primitive::<Int64Type>().value(row)),
                _ => Ok(call.text(1).value(row)),
            };
            match (Value::of(&text), step) {
                (Some(Value::Object(members)), Ok(key)) => Ok(Some(object(members.iter().filter(|(k, _)| k != key)))),
                (Some(Value::List(mut elements)), Ok(key)) => {
                    elements.retain(|element| !matches!(Value::of(element), Some(Value::Text(text)) if text == key));
                    Ok(Some(list(&elements)))
                }
                (Some(Value::List(mut elements)), Err(place)) => {
                    if let Some(index) = place_in(place, elements.len()).filter(|index| *index < elements.len()) {
                        elements.remove(index);
                    }
                    Ok(Some(list(&elements)))
                }
                (Some(Value::Object(_)), Err(_)) => exec_err!("an object of JSON has keys, and no places"),
                (Some(_), _) => exec_err!("nothing can be taken out of a value of JSON that is no object and no list"),
                (None, _) => Ok(None),
            }
        })
    },
};

/// `#-`: without what a path leads to.
pub(super) static DELETE_PATH: Function = Function {
    name: "jsonb_delete_path",
    usage: "`j #- '{a,b}'`",
    takes: |types| all_texts(types).filter(|types| types.len() == 2),
    gives: |_| Ok(json()),
    compute: |call| {
        by_row(call, |row| {
            let path = steps(call.text(1).value(row))?;
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            Ok(at_path(call.text(0).value(row), &path, Change::Delete))
        })
    },
};

const fn strip_nulls(name: &'static str) -> Function {
    Function {
        name,
        usage: "`jsonb_strip_nulls(j)`",
        takes: one_text,
        gives: |_| Ok(json()),
        compute: |call| by_row(call, |row| Ok(stripped(call.text(0).value(row)))),
    }
}

/// An object or a list without any of some keys.
fn without_keys(json: &str, keys: &ArrayRef) -> Result<Option<String>> {
    let text = compact(json).into_owned();
    let keys: Vec<&str> = keys.as_string::<i32>().iter().flatten().collect();
    match Value::of(&text) {
        Some(Value::Object(members)) => Ok(Some(object(members.iter().filter(|(k, _)| !keys.contains(&&**k))))),
        Some(Value::List(mut elements)) => {
            elements.retain(|element| !matches!(Value::of(element), Some(Value::Text(text)) if keys.contains(&&*text)));
            Ok(Some(list(&elements)))
        }
        Some(_) => exec_err!("nothing can be taken out of a value of JSON that is no object and no list"),
        None => Ok(None),
    }
}

/// NULL where an argument is, else what is computed of the row.
fn by_row(call: &Call<'_>, compute: impl Fn(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
    let mut texts = StringBuilder::new();
    for row in 0..call.rows {
        let is_null = call.arguments.iter().any(|argument| argument.is_null(row));
        texts.append_option(if is_null { None } else { compute(row)? });
    }
    Ok(Arc::new(texts.finish()))
}

#[derive(Debug, Clone)]
enum Change {
    Delete,
    Set { value: String, creates: bool },
}

/// The value with its element at the end of a path changed. Only the last step of a path is made where it is not there.
fn at_path(text: &str, path: &[&str], change: Change) -> Option<String> {
    let value = Value::of(text)?;
    let Some((step, further)) = path.split_first() else { return Some(compact(text).into_owned()) };
    let changed = |element: Option<&str>| match (&change, element) {
        (_, Some(element)) if !further.is_empty() => at_path(element, further, change.clone()),
        (Change::Delete, _) => None,
        (Change::Set { value, .. }, Some(_)) => Some(value.clone()),
        (Change::Set { value, creates }, None) => (*creates && further.is_empty()).then(|| value.clone()),
    };
    match &value {
        Value::Object(members) => {
            let is_new = value.member(step).is_none();
            let kept = members.iter().filter_map(|(key, element)| {
                let element = if key == step { changed(Some(element))? } else { (*element).to_owned() };
                Some((key.clone(), element))
            });
            let added = if is_new { changed(None) } else { None }.map(|element| ((*step).to_owned(), element));
            let mut written = Members::default();
            kept.chain(added).for_each(|(key, element)| written.set(&key, &compact(&element)));
            Some(written.written())
        }
        Value::List(elements) => {
            let place: i64 = step.parse().ok()?;
            let index = place_in(place, elements.len()).filter(|index| *index < elements.len());
            let mut written: Vec<String> = Vec::new();
            for (at, element) in elements.iter().enumerate() {
                let element = if index == Some(at) { changed(Some(element)) } else { Some((*element).to_owned()) };
                written.extend(element);
            }
            if index.is_none() {
                let place = if place < 0 { 0 } else { written.len() };
                changed(None).into_iter().for_each(|element| written.insert(place, element));
            }
            Some(list(&written.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        _ => Some(compact(text).into_owned()),
    }
}

fn stripped(text: &str) -> Option<String> {
    Some(match Value::of(text)? {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| *value != "null");
            let kept: Vec<(String, String)> =
                kept.map(|(key, value)| Some((key.clone(), stripped(value)?))).collect::<Option<_>>()?;
            let mut written = Members::default();
            kept.iter().for_each(|(key, value)| written.set(key, value));
            written.written()
        }
        Value::List(elements) => {
            let elements: Vec<String> = elements.into_iter().map(stripped).collect::<Option<_>>()?;
            format!("[{}]", elements.join(","))
        }
        _ => compact(text).into_owned(),
    })
}

fn object<'a>(members: impl Iterator<Item = &'a (String, &'a str)>) -> String {
    let mut written = Members::default();
    members.for_each(|(key, value)| written.set(key, value));
    written.written()
}

fn list(elements: &[&str]) -> String {
    let elements: Vec<_> = elements.iter().map(|element| compact(element)).collect();
    format!("[{}]", elements.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 gives.
    #[test]
    fn values_are_set_and_deleted_at_paths() {
        let set = |text: &str, path: &[&str], creates| {
            at_path(text, path, Change::Set { value: "9".to_owned(), creates }).unwrap_or_default()
        };
        assert_eq!(set(r#"{"a": [1, 2]}"#, &["a", "0"], true), r#"{"a":[9,2]}"#);
        assert_eq!(set(r#"{"a": 1}"#, &["b"], true), r#"{"a":1,"b":9}"#);
        assert_eq!(set(r#"{"a": 1}"#, &["b"], false), r#"{"a":1}"#);
        assert_eq!(set(r#"{"a": 1}"#, &["b", "c"], true), r#"{"a":1}"#);
        assert_eq!(set("[1]", &["5"], true), "[1,9]");
        assert_eq!(set("[1]", &["-5"], true), "[9,1]");
        let deleted = at_path(r#"{"a": {"b": 1}}"#, &["a", "b"], Change::Delete);
        assert_eq!(deleted.as_deref(), Some(r#"{"a":{}}"#));
        let stripped = stripped(r#"{"a": null, "b": [null, {"c": null}]}"#);
        assert_eq!(stripped.as_deref(), Some(r#"{"b":[null,{}]}"#));
    }
}
