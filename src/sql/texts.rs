//! Functions of texts and lists that PostgreSQL or DuckDB have beside DataFusion's: `len`, `format`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringBuilder};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::{Result, exec_err};
use datafusion::execution::FunctionRegistry;

use super::own::{self, Call, Function, is_text, of_type};

static FUNCTIONS: [&Function; 2] = [
    &Function {
        name: "len",
        usage: "`len(x)` of a text or a list",
        takes: |types| match types {
            [of] if is_text(of) => Some(vec![DataType::Utf8]),
            [DataType::List(_)] => Some(types.to_vec()),
            _ => None,
        },
        gives: |_| of_type(DataType::Int64),
        compute: |call| {
            let lengths: Int64Array = match call.arguments[0].data_type() {
                DataType::List(_) => {
                    call.arguments[0].as_list::<i32>().iter().map(|list| list.map(|list| list.len() as i64)).collect()
                }
                _ => call.text(0).iter().map(|text| text.map(|text| text.chars().count() as i64)).collect(),
            };
            Ok(Arc::new(lengths))
        },
    },
    &Function {
        name: "format",
        usage: "a text with `%s` for each further argument: `format('%s of %s', a, b)`",
        takes: |types| match types {
            [pattern, values @ ..] if is_text(pattern) && values.iter().all(|of| !of.is_nested()) => {
                Some(vec![DataType::Utf8; types.len()])
            }
            _ => None,
        },
        gives: |_| of_type(DataType::Utf8),
        compute: formatted,
    },
];

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, FUNCTIONS)
}

/// PostgreSQL's `format` with `%s` and `%%`; NULL is an empty text in it.
fn formatted(call: &Call<'_>) -> Result<ArrayRef> {
    let mut texts = StringBuilder::new();
    for row in 0..call.rows {
        let pattern = call.text(0);
        if pattern.is_null(row) {
            texts.append_null();
            continue;
        }
        let (mut text, mut next) = (String::new(), 1);
        let mut chars = pattern.value(row).chars();
        while let Some(char) = chars.next() {
            match (char, if char == '%' { chars.next() } else { None }) {
                ('%', Some('%')) => text.push('%'),
                ('%', Some('s')) if next < call.arguments.len() => {
                    if call.arguments[next].is_valid(row) {
                        text.push_str(&array_value_to_string(&call.arguments[next], row)?);
                    }
                    next += 1;
                }
                ('%', Some('s')) => return exec_err!("`format` has more `%s` than values"),
                ('%', _) => return exec_err!("`format` knows `%s` and `%%` in its pattern"),
                (char, _) => text.push(char),
            }
        }
        texts.append_value(text);
    }
    Ok(Arc::new(texts.finish()))
}
