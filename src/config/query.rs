//! Named queries with their parameters, and row policies.

use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use super::checked::{Policy, Query, QueryParam};
use super::code::Code;
use super::field_type::describe;
use super::fields::read_type;
use super::named_types::NamedTypes;
use super::names;
use super::reader::{Mapping, NodeReader};
use super::yaml::{Data, Entry, Yaml};
use crate::event::{DataType, FieldType};

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 200;

/// Reads a query document.
pub(super) fn query(reader: NodeReader<'_>, yaml: &Yaml, document: usize) -> Option<Query> {
    let map = reader.map(yaml, "the query", &["query", "params", "sql", "sort", "page"], &[])?;
    let name = name(&map, "query");
    map.need("sql", "write what it selects: `sql: SELECT … FROM customers`");
    let sql = map.text("sql");
    let params = map.get("params").and_then(|yaml| reader.entries(yaml, "`params`")).unwrap_or_default();
    let params = params.iter().filter_map(|entry| Some((entry.name.clone(), param(reader, entry)?))).collect();
    let (page_default, page_max) = page(&map);
    let sort = sort(&map);
    let node = reader.node(document);
    Some(Query { name: name?, params, sql: sql?.to_owned(), sort, page_default, page_max, node })
}

/// Reads a policy document.
pub(super) fn policy(reader: NodeReader<'_>, yaml: &Yaml, document: usize) -> Option<Policy> {
    let map = reader.map(yaml, "the policy", &["policy", "row_filter"], &[])?;
    let name = name(&map, "policy");
    map.need("row_filter", "write which rows are permitted: `row_filter: tenant_id = claim('tenant')`");
    let row_filter = map.text("row_filter");
    Some(Policy { name: name?, row_filter: row_filter?.to_owned(), node: reader.node(document) })
}

fn name(map: &Mapping<'_>, what: &str) -> Option<String> {
    let (name, mark) = (map.text(what)?, map.get(what)?.mark);
    names::check(map.reader, mark, what, name).then(|| name.to_owned())
}

/// `[-revenue, customer_id]`: a `-` before a column means descending.
fn sort(map: &Mapping<'_>) -> Vec<(String, bool)> {
    let mut sort: Vec<(String, bool)> = Vec::new();
    for (text, yaml) in map.texts("sort") {
        let (column, descends) = match text.strip_prefix('-') {
            Some(column) => (column.trim(), true),
            None => (text, false),
        };
        if column.is_empty() || column.contains(char::is_whitespace) {
            let hint = "name a column, with `-` before it to descend: `sort: [-revenue, customer_id]`";
            map.reader.error(Code::BadParameter, yaml.mark, format!("`{text}` is not a column to sort by"), hint);
        } else if sort.iter().any(|(known, _)| known == column) {
            map.reader.error(Code::Repeated, yaml.mark, format!("`sort` names `{column}` twice"), "remove one of them");
        }
        sort.push((column.to_owned(), descends));
    }
    sort
}

fn page(map: &Mapping<'_>) -> (usize, usize) {
    let Some(page) = map.map("page", &["default", "max"], &[]) else {
        return (PAGE_DEFAULT, PAGE_MAX);
    };
    let (default, max) = (page.count("default"), page.count("max"));
    match (default, max) {
        (Some(default), Some(max)) if default > max => {
            page.error_at_key(
                Code::NotTogether,
                "default",
                format!("a page has {default} rows by default but {max} at most"),
                "raise `max`",
            );
            (default, max)
        }
        (Some(default), None) => (default, default.max(PAGE_MAX)),
        (None, Some(max)) => (PAGE_DEFAULT.min(max), max),
        (default, max) => (default.unwrap_or(PAGE_DEFAULT), max.unwrap_or(PAGE_MAX)),
    }
}

/// `tenant: string!`, or `limit: {type: int64, default: 10}`.
fn param(reader: NodeReader<'_>, entry: &Entry) -> Option<QueryParam> {
    let (types, what) = (NamedTypes::default(), format!("the parameter `{}`", entry.name));
    if !names::check(reader, entry.mark, "parameter", &entry.name) {
        return None;
    }
    if !matches!(entry.value.data, Data::Mapping(_)) {
        let FieldType { data_type, required } = single(reader, &entry.value, &what, &types)?;
        return Some(QueryParam { param_type: data_type, required, default: None });
    }
    let map = reader.map(&entry.value, &what, &["type", "default"], &[])?;
    let field_type = single(reader, map.need("type", "such as `{type: int64, default: 10}`")?, &what, &types)?;
    let default = match map.get("default") {
        Some(_) if field_type.required => {
            map.error_at_key(
                Code::NotTogether,
                "default",
                format!("{what} is required, so its default is never used"),
                "remove the `!`",
            );
            return None;
        }
        Some(yaml) => Some(default(reader, yaml, &what, &field_type)?),
        None => None,
    };
    Some(QueryParam { param_type: field_type.data_type, required: field_type.required, default })
}

/// A type of single values.
fn single(reader: NodeReader<'_>, yaml: &Yaml, what: &str, types: &NamedTypes<'_>) -> Option<FieldType> {
    let field_type = read_type(reader, yaml, what, types)?;
    if matches!(field_type.data_type, DataType::List(_) | DataType::Map(_) | DataType::Struct(_)) {
        let message = format!("{what} cannot be `{}`", describe(&field_type));
        reader.error(
            Code::BadParameter,
            yaml.mark,
            message,
            "parameters are single values: string, int64, decimal(p,s), timestamp, …",
        );
        return None;
    }
    Some(field_type)
}

/// A default of the parameter's type: numbers and booleans as such, everything else as text.
fn default(reader: NodeReader<'_>, yaml: &Yaml, what: &str, field_type: &FieldType) -> Option<Value> {
    let text = reader.text(yaml, &format!("the default of {what}"))?;
    let as_text = || Some(Value::String(text.to_owned()));
    let value = match &field_type.data_type {
        DataType::String => as_text(),
        DataType::Bool => text.parse::<bool>().ok().map(Value::from),
        DataType::Int32 => text.parse::<i32>().ok().map(Value::from),
        DataType::Int64 => text.parse::<i64>().ok().map(Value::from),
        // As it is written: four bytes are made of its text when it is used.
        DataType::Float32 => text.parse::<f64>().ok().filter(|number| (*number as f32).is_finite()).map(Value::from),
        DataType::Float64 => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        DataType::Decimal { precision, scale } if is_decimal(text, *precision, *scale) => as_text(),
        DataType::Date if text.parse::<NaiveDate>().is_ok() => as_text(),
        DataType::Timestamp(_) if DateTime::parse_from_rfc3339(text).is_ok() => as_text(),
        DataType::Json if serde_json::from_str::<Value>(text).is_ok() => as_text(),
        _ => None,
    };
    if value.is_none() {
        let hint = match &field_type.data_type {
            DataType::Date => "write it as `2024-12-31`",
            DataType::Timestamp(_) => "write it as `2024-12-31T23:59:59Z`",
            _ => "write a value of the declared type, or change the type",
        };
        reader.error(
            Code::BadParameter,
            yaml.mark,
            format!("the default `{text}` of {what} is no `{}`", describe(field_type)),
            hint,
        );
    }
    value
}

/// Whether a number fits a decimal without losing digits.
fn is_decimal(text: &str, precision: u8, scale: i8) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole_max, fraction_max) = (i16::from(precision) - i16::from(scale), i16::from(scale));
    all_digits(whole)
        && all_digits(fraction)
        && whole.trim_start_matches('0').len() as i16 <= whole_max
        && fraction.trim_end_matches('0').len() as i16 <= fraction_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_must_fit() {
        for text in ["0", "-12.50", "999.99", "0012.3400"] {
            assert!(is_decimal(text, 5, 2), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1e3", "1000", "0.001"] {
            assert!(!is_decimal(text, 5, 2), "{text}");
        }
    }
}
