//! Elements of JSON, by key, place and path, as JSON and as text; and what kind of value JSON is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, exec_err};

use super::super::own::{Call, Function, all_texts, is_text, of_type};
use super::json;
use super::path::follow;
use super::read::{Value, as_text, compact, is_valid};

pub(super) static FUNCTIONS: [&Function; 13] = [
    &FIELD,
    &FIELD_TEXT,
    &PATH,
    &PATH_TEXT,
    &path_function("json_extract_path", false),
    &path_function("json_extract_path_text", true),
    &Function {
        name: "json_elements",
        usage: "`json_elements(j)`",
        takes: one_text,
        gives: |_| of_type(DataType::List(Arc::new(json().with_name("item")))),
        compute: |call| elements(call, |element| Some(compact(element).into_owned())),
    },
    &Function {
        name: "json_elements_text",
        usage: "`json_elements_text(j)`",
        takes: one_text,
        gives: |_| of_type(DataType::new_list(DataType::Utf8, true)),
        compute: |call| elements(call, as_text),
    },
    &Function {
        name: "json",
        usage: "`x::jsonb` of a text",
        takes: one_text,
        gives: |_| Ok(json()),
        compute: |call| {
            let values = call.text(0).iter().map(|text| match text {
                Some(text) if is_valid(text) => Ok(Some(compact(text).into_owned())),
                Some(text) => exec_err!("`{text}` is no JSON"),
                None => Ok(None),
            });
            Ok(Arc::new(values.collect::<Result<StringArray>>()?))
        },
    },
    &Function {
        name: "json_valid",
        usage: "`json_valid(text)`",
        takes: one_text,
        gives: |_| of_type(DataType::Boolean),
        compute: |call| {
            let valid = call.text(0).iter().map(|text| text.map(is_valid));
            Ok(Arc::new(valid.collect::<BooleanArray>()))
        },
    },
    &kind_function("json_typeof"),
    &kind_function("jsonb_typeof"),
    &Function {
        name: "json_array_length",
        usage: "`json_array_length(j)`",
        takes: one_text,
        gives: |_| of_type(DataType::Int32),
        compute: |call| {
            let lengths = call.text(0).iter().map(|text| match text.map(Value::of) {
                None | Some(None) => Ok(None),
                Some(Some(Value::List(elements))) => Ok(Some(elements.len() as i32)),
                Some(_) => exec_err!("`json_array_length` takes a list; guard it with `json_typeof(…) = 'array'`"),
            });
            Ok(Arc::new(lengths.collect::<Result<Int32Array>>()?))
        },
    },
];

/// `->`: the member of a key or the element at a place, as JSON.
pub(super) static FIELD: Function = Function {
    name: "json_field",
    usage: "`j -> 'key'` or `j -> 0`",
    takes: text_and_step,
    gives: |_| Ok(json()),
    compute: |call| field(call, |element| Some(compact(element).into_owned())),
};

/// `->>`: the same as text.
pub(super) static FIELD_TEXT: Function = Function {
    name: "json_field_text",
    usage: "`j ->> 'key'` or `j ->> 0`",
    takes: text_and_step,
    gives: |_| of_type(DataType::Utf8),
    compute: |call| field(call, as_text),
};

/// `#>`: the element at the end of a path, as JSON.
pub(super) static PATH: Function = path_function("jsonb_extract_path", false);

/// `#>>`: the same as text.
pub(super) static PATH_TEXT: Function = path_function("jsonb_extract_path_text", true);

const fn path_function(name: &'static str, text: bool) -> Function {
    Function {
        name,
        usage: "the keys that lead to the element, as texts: `jsonb_extract_path(j, 'a', 'b')`",
        takes: |types| match types {
            [json, list] if is_text(json) && matches!(list, DataType::List(_)) => {
                Some(vec![DataType::Utf8, DataType::new_list(DataType::Utf8, true)])
            }
            _ => all_texts(types).filter(|types| !types.is_empty()),
        },
        gives: if text { |_| of_type(DataType::Utf8) } else { |_| Ok(json()) },
        compute: if text {
            |call| at_path(call, as_text)
        } else {
            |call| at_path(call, |element| Some(compact(element).into_owned()))
        },
    }
}

const fn kind_function(name: &'static str) -> Function {
    Function {
        name,
        usage: "`json_typeof(j)`",
        takes: one_text,
        gives: |_| of_type(DataType::Utf8),
        compute: |call| {
            let kinds = call.text(0).iter().map(|text| {
                Some(match Value::of(text?)? {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::Text(_) => "string",
                    Value::List(_) => "array",
                    Value::Object(_) => "object",
                })
            });
            Ok(Arc::new(kinds.collect::<StringArray>()))
        },
    }
}

pub(super) fn one_text(types: &[DataType]) -> Option<Vec<DataType>> {
    all_texts(types).filter(|types| types.len() == 1)
}

fn text_and_step(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [json, step] if is_text(json) && is_text(step) => Some(vec![DataType::Utf8; 2]),
        [json, step] if is_text(json) && step.is_integer() => Some(vec![DataType::Utf8, DataType::Int64]),
        _ => None,
    }
}

fn field(call: &Call<'_>, as_value: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let texts = call.text(0);
    let found = |row: usize| {
        if texts.is_null(row) || call.arguments[1].is_null(row) {
            return None;
        }
        let value = Value::of(texts.value(row))?;
        let element = match call.arguments[1].data_type() {
            DataType::Int64 => value.element(call.arguments[1].as_primitive::<Int64Type>().value(row)),
            _ => value.member(call.text(1).value(row)),
        };
        as_value(element?)
    };
    Ok(Arc::new((0..call.rows).map(found).collect::<StringArray>()))
}

fn at_path(call: &Call<'_>, as_value: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let texts = call.text(0);
    let mut found = StringBuilder::new();
    for row in 0..call.rows {
        let list = call.arguments.get(1).and_then(|path| path.as_list_opt::<i32>());
        let path: Option<Vec<String>> = match list {
            Some(list) if list.is_null(row) => None,
            Some(list) => list.value(row).as_string::<i32>().iter().map(|step| step.map(str::to_owned)).collect(),
            None => (1..call.arguments.len())
                .map(|index| call.text(index))
                .map(|steps| steps.is_valid(row).then(|| steps.value(row).to_owned()))
                .collect(),
        };
        let element = path.filter(|_| texts.is_valid(row)).and_then(|path| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            as_value(follow(texts.value(row), &path)?)
        });
        found.append_option(element);
    }
    Ok(Arc::new(found.finish()))
}

fn elements(call: &Call<'_>, as_value: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let DataType::List(item) = call.gives else { return exec_err!("elements are a list") };
    let item: Arc<Field> = item.clone();
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    for text in call.text(0) {
        match text.map(Value::of) {
            None | Some(None) => lists.append_null(),
            Some(Some(Value::List(elements))) => {
                lists.append_value(elements.into_iter().map(as_value));
            }
            Some(_) => return exec_err!("elements are those of a list; guard it with `json_typeof(…) = 'array'`"),
        }
    }
    Ok(Arc::new(lists.finish()))
}
