//! Values of SQL as JSON, as PostgreSQL's `to_jsonb` writes them: decimals with their digits, times in ISO 8601, what is JSON already as
//! it is.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, NaiveDateTime};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::super::own::{Call, Function};
use super::{is_json, json};

pub(super) static FUNCTIONS: [&Function; 11] = [
    &to_json("to_json"),
    &to_json("to_jsonb"),
    &object("json_build_object"),
    &object("jsonb_build_object"),
    &object("json_object"),
    &list("json_build_array"),
    &list("jsonb_build_array"),
    &list("json_array"),
    &Function {
        name: "json_key",
        usage: "`jsonb_object_agg(key, value)`",
        takes: |types| (types.len() == 1 && !types[0].is_nested()).then(|| vec![DataType::Utf8]),
        gives: |_| Ok(Field::new("", DataType::Utf8, true)),
        compute: |call| {
            if call.text(0).null_count() > 0 {
                return exec_err!("the key of a member of JSON is NULL");
            }
            Ok(call.arguments[0].clone())
        },
    },
    &Function {
        name: "json_of_elements",
        usage: "`jsonb_agg(x)`",
        takes: |types| matches!(types, [DataType::List(_)]).then(|| types.to_vec()),
        gives: |_| Ok(json()),
        compute: |call| {
            let lists = call.arguments[0].as_list::<i32>();
            let elements = lists.iter().map(|list| {
                let list = list?;
                let elements: Vec<&str> = list.as_string::<i32>().iter().map(|x| x.unwrap_or("null")).collect();
                Some(format!("[{}]", elements.join(",")))
            });
            Ok(Arc::new(elements.collect::<StringArray>()))
        },
    },
    &Function {
        name: "json_of_members",
        usage: "`jsonb_object_agg(key, value)`",
        takes: |types| matches!(types, [DataType::List(_)]).then(|| types.to_vec()),
        gives: |_| Ok(json()),
        compute: |call| {
            let lists = call.arguments[0].as_list::<i32>();
            let objects = lists.iter().map(|list| {
                let list = list?;
                let (keys, values) = (list.as_struct().column(0), list.as_struct().column(1));
                let members = keys.as_string::<i32>().iter().zip(values.as_string::<i32>());
                let mut object = Members::default();
                members.for_each(|(key, value)| object.set(key.unwrap_or_default(), value.unwrap_or("null")));
                Some(object.written())
            });
            Ok(Arc::new(objects.collect::<StringArray>()))
        },
    },
];

const fn to_json(name: &'static str) -> Function {
    Function {
        name,
        usage: "`to_jsonb(x)`",
        takes: |types| (types.len() == 1).then(|| types.to_vec()),
        gives: |_| Ok(json()),
        compute: |call| {
            let mut texts = StringBuilder::new();
            for row in 0..call.rows {
                if call.arguments[0].is_null(row) {
                    texts.append_null();
                } else {
                    texts.append_value(value(call, 0, row)?);
                }
            }
            Ok(Arc::new(texts.finish()))
        },
    }
}

const fn object(name: &'static str) -> Function {
    Function {
        name,
        usage: "keys and values by turns: `jsonb_build_object('key', value)`",
        takes: |types| {
            let keys_are_plain = types.iter().step_by(2).all(|key| !key.is_nested());
            (types.len() % 2 == 0 && keys_are_plain).then(|| types.to_vec())
        },
        gives: |_| Ok(json().with_nullable(false)),
        compute: |call| {
            let mut texts = StringBuilder::new();
            for row in 0..call.rows {
                let mut object = Members::default();
                for index in (0..call.arguments.len()).step_by(2) {
                    if call.arguments[index].is_null(row) {
                        return exec_err!("the key of a member of JSON is NULL");
                    }
                    let key = array_value_to_string(&call.arguments[index], row)?;
                    object.set(&key, &value(call, index + 1, row)?);
                }
                texts.append_value(object.written());
            }
            Ok(Arc::new(texts.finish()))
        },
    }
}

const fn list(name: &'static str) -> Function {
    Function {
        name,
        usage: "`jsonb_build_array(x, y)`",
        takes: |types| Some(types.to_vec()),
        gives: |_| Ok(json().with_nullable(false)),
        compute: |call| {
            let mut texts = StringBuilder::new();
            for row in 0..call.rows {
                let values = (0..call.arguments.len()).map(|index| value(call, index, row));
                texts.append_value(format!("[{}]", values.collect::<Result<Vec<_>>>()?.join(",")));
            }
            Ok(Arc::new(texts.finish()))
        },
    }
}

/// Members in the order in which their keys first occur, each with its last value.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => value.clone_into(known),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }

    pub(super) fn written(&self) -> String {
        let members = self.0.iter().map(|(key, value)| format!("{}:{value}", quoted(key)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn value(call: &Call<'_>, index: usize, row: usize) -> Result<String> {
    let mut text = String::new();
    append(&mut text, &call.arguments[index], &call.fields[index], row)?;
    Ok(text)
}

/// Appends one value of an array.
fn append(text: &mut String, array: &ArrayRef, field: &Field, row: usize) -> Result<()> {
    if array.is_null(row) {
        text.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => text.push_str("null"),
        of if of.is_string() => {
            let value = cast(&array.slice(row, 1), &DataType::Utf8)?;
            let value = value.as_string::<i32>().value(0);
            text.push_str(&if is_json(field) { value.to_owned() } else { quoted(value) });
        }
        of if of.is_floating() => {
            let value = array_value_to_string(array, row)?;
            let number: f64 = value.parse().map_err(|_| exec_datafusion_err!("{value} is no number"))?;
            text.push_str(&if number.is_finite() { number.to_string() } else { quoted(&named(number)) });
        }
        of if of.is_numeric() || *of == DataType::Boolean => text.push_str(&array_value_to_string(array, row)?),
        DataType::Timestamp(_, zone) => {
            let times = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            let time_us = times.as_primitive::<TimestampMicrosecondType>().value(row);
            let Some(time) = DateTime::from_timestamp_micros(time_us) else {
                return exec_err!("{time_us} microseconds are out of range");
            };
            text.push_str(&quoted(&format!("{}{}", iso(time.naive_utc()), if zone.is_some() { "+00:00" } else { "" })));
        }
        DataType::List(item) => {
            let list = array.as_list::<i32>().value(row);
            text.push('[');
            for index in 0..list.len() {
                if index > 0 {
                    text.push(',');
                }
                append(text, &list, item, index)?;
            }
            text.push(']');
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            text.push('{');
            for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
                let _ = write!(text, "{}{}:", if index > 0 { "," } else { "" }, quoted(field.name()));
                append(text, column, field, row)?;
            }
            text.push('}');
        }
        DataType::Map(entry, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let DataType::Struct(fields) = entry.data_type() else { return exec_err!("a map has entries") };
            text.push('{');
            for index in 0..entries.len() {
                let key = quoted(&array_value_to_string(keys, index)?);
                let _ = write!(text, "{}{key}:", if index > 0 { "," } else { "" });
                append(text, values, &fields[1], index)?;
            }
            text.push('}');
        }
        _ => text.push_str(&quoted(&array_value_to_string(array, row)?)),
    }
    Ok(())
}

/// As PostgreSQL names what no number of JSON is.
fn named(number: f64) -> String {
    match number {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => "NaN".to_owned(),
    }
}

/// With as many digits of the second as are not 0.
fn iso(time: NaiveDateTime) -> String {
    let text = time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
