//! Functions of texts and lists that PostgreSQL or DuckDB have beside DataFusion's: `len`, `format`,
//! `regexp_split_to_array`, `regexp_extract`, and what `regexp_matches` in FROM is made of.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::execution::FunctionRegistry;
use regex::Regex;

use super::own::{self, Call, Function, all_texts, is_text, of_type};

static FUNCTIONS: [&Function; 5] = [
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
    &Function {
        name: "regexp_split_to_array",
        usage: "`regexp_split_to_array(x, '[,;]')`",
        takes: |types| all_texts(types).filter(|types| types.len() == 2),
        gives: |_| of_type(DataType::new_list(DataType::Utf8, true)),
        compute: split,
    },
    &Function {
        name: "regexp_extract",
        usage: "`regexp_extract(x, '([a-z]+)-([0-9]+)', 2)`",
        takes: |types| match types {
            [text, pattern] if is_text(text) && is_text(pattern) => Some(vec![DataType::Utf8; 2]),
            [text, pattern, group] if is_text(text) && is_text(pattern) && group.is_integer() => {
                Some(vec![DataType::Utf8, DataType::Utf8, DataType::Int64])
            }
            _ => None,
        },
        gives: |_| of_type(DataType::Utf8),
        compute: extracted,
    },
    &Function {
        name: "regexp_match_lists",
        usage: "`regexp_matches(x, '([a-z]+)-([0-9]+)', 'g')`",
        takes: |types| all_texts(types).filter(|types| matches!(types.len(), 2 | 3)),
        gives: |_| of_type(DataType::new_list(DataType::new_list(DataType::Utf8, true), true)),
        compute: matches,
    },
];

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, FUNCTIONS)
}

/// The parts of texts between the matches of a pattern.
fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut patterns = Patterns::default();
    for row in 0..call.rows {
        let Some(regex) = patterns.of(call, row)? else {
            lists.append_null();
            continue;
        };
        regex.split(call.text(0).value(row)).for_each(|part| lists.values().append_value(part));
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// DuckDB's: a group of the first match, or all of it, and an empty text where there is none.
fn extracted(call: &Call<'_>) -> Result<ArrayRef> {
    let mut texts = StringBuilder::new();
    let mut patterns = Patterns::default();
    for row in 0..call.rows {
        let group = call.arguments.get(2).map_or(0, |groups| groups.as_primitive::<Int64Type>().value(row));
        let is_known = call.arguments.get(2).is_none_or(|groups| groups.is_valid(row));
        let (Some(regex), true) = (patterns.of(call, row)?, is_known) else {
            texts.append_null();
            continue;
        };
        let Some(group) = usize::try_from(group).ok().filter(|group| *group < regex.captures_len()) else {
            return exec_err!("`{regex}` has no group {group}");
        };
        let found = regex.captures(call.text(0).value(row)).and_then(|groups| groups.get(group));
        texts.append_value(found.map_or("", |found| found.as_str()));
    }
    Ok(Arc::new(texts.finish()))
}

/// PostgreSQL's `regexp_matches`: a list of each match, or of the first one without the flag `g`, with the texts of its groups, or with
/// all of it where the pattern has none.
fn matches(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    let mut patterns = Patterns::default();
    for row in 0..call.rows {
        if (0..call.arguments.len()).any(|argument| call.text(argument).is_null(row)) {
            lists.append_null();
            continue;
        }
        let (text, pattern) = (call.text(0).value(row), call.text(1).value(row));
        let flags = if call.arguments.len() == 3 { call.text(2).value(row) } else { "" };
        if let Some(unknown) = flags.chars().find(|flag| !"gi".contains(*flag)) {
            return exec_err!("`regexp_matches` knows the flags `g` and `i`, and not `{unknown}`");
        }
        let regex = match flags.contains('i') {
            true => patterns.compiled(&format!("(?i){pattern}"))?,
            false => patterns.compiled(pattern)?,
        };
        let wanted = if flags.contains('g') { usize::MAX } else { 1 };
        for found in regex.captures_iter(text).take(wanted) {
            let whole = usize::from(found.len() > 1);
            let groups = lists.values();
            found.iter().skip(whole).for_each(|group| groups.values().append_option(group.map(|group| group.as_str())));
            groups.append(true);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// The regular expression of the last row, which is mostly that of the next one too.
#[derive(Default)]
struct Patterns(Option<Regex>);

impl Patterns {
    /// The second argument of a row; none where it or the first is NULL.
    fn of(&mut self, call: &Call<'_>, row: usize) -> Result<Option<&Regex>> {
        if call.text(0).is_null(row) || call.text(1).is_null(row) {
            return Ok(None);
        }
        self.compiled(call.text(1).value(row)).map(Some)
    }

    fn compiled(&mut self, pattern: &str) -> Result<&Regex> {
        if self.0.as_ref().is_none_or(|regex| regex.as_str() != pattern) {
            self.0 = None;
        }
        let regex = match self.0.take() {
            Some(regex) => regex,
            None => Regex::new(pattern)
                .map_err(|error| exec_datafusion_err!("`{pattern}` is no regular expression: {error}"))?,
        };
        Ok(self.0.insert(regex))
    }
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
        let mut chars = pattern.value(row).chars().peekable();
        while let Some(char) = chars.next() {
            if char == '%' {
                let place: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect();
                if !place.is_empty() && chars.next_if_eq(&'$').is_none() {
                    return exec_err!("`format` knows `%s`, `%1$s` and `%%` in its pattern");
                }
                next = place.parse().unwrap_or(next).max(1);
            }
            match (char, if char == '%' { chars.next() } else { None }) {
                ('%', Some('%')) => text.push('%'),
                ('%', Some('s')) if next < call.arguments.len() => {
                    if call.arguments[next].is_valid(row) {
                        text.push_str(&array_value_to_string(&call.arguments[next], row)?);
                    }
                    next += 1;
                }
                ('%', Some('s')) => return exec_err!("`format` has more `%s` than values"),
                ('%', _) => return exec_err!("`format` knows `%s`, `%1$s` and `%%` in its pattern"),
                (char, _) => text.push(char),
            }
        }
        texts.append_value(text);
    }
    Ok(Arc::new(texts.finish()))
}
