//! A listing as it is asked for: `column=value` and `column.operation=value`, `sort=-due_at,id`, and pages. Values are
//! read strictly to the column's type.

use std::fmt;

use arrow::datatypes::{DataType, Field, Schema};

use super::parameters::{Pairs, UrlValueError, page_size, take, url_value};
use crate::event::JSON_MARK;
use crate::query::{Filter, ListRequest, Operation, QueryError, SortColumn, find_column, is_comparable};

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1000;

/// Most filters of one request.
const FILTERS_MAX: usize = 32;

/// Longest list of `.in`.
pub(super) const IN_MAX: usize = 1000;

pub(super) const OPERATIONS: [(&str, Operation); 8] = [
    ("eq", Operation::Eq),
    ("ne", Operation::Ne),
    ("lt", Operation::Lt),
    ("lte", Operation::Lte),
    ("gt", Operation::Gt),
    ("gte", Operation::Gte),
    ("in", Operation::In),
    ("isnull", Operation::IsNull),
];

/// Texts, whose names and types are checked against the relation that answers.
#[derive(Debug)]
pub(super) struct ListParameters {
    filters: Pairs,
    sort: Option<String>,
    page_size: Option<String>,
    page_token: Option<String>,
}

impl ListParameters {
    /// What is not `sort`, `pageSize` or `pageToken` is a filter; a column with such a name is reached as `sort.eq`.
    ///
    /// # Errors
    /// Where one of them is given twice, or there are too many filters.
    pub(super) fn take(mut pairs: Pairs) -> Result<Self, QueryError> {
        let sort = take(&mut pairs, "sort")?;
        let page_size = take(&mut pairs, "pageSize")?;
        let page_token = take(&mut pairs, "pageToken")?;
        if pairs.len() > FILTERS_MAX {
            return Err(QueryError::invalid(format!("more than {FILTERS_MAX} filters")));
        }
        Ok(ListParameters { filters: pairs, sort, page_size, page_token })
    }

    /// The request, to a relation of this schema.
    ///
    /// # Errors
    /// Where a column or an operation is unknown, a value is not of the column's type, or one thing is said twice.
    pub(super) fn request(&self, schema: &Schema, rows_max: usize) -> Result<ListRequest, QueryError> {
        Ok(ListRequest {
            filters: filters(&self.filters, schema)?,
            sort: self.sort.as_ref().map_or(Ok(Vec::new()), |sort| sort_columns(sort, schema))?,
            page_size: page_size(self.page_size.as_deref(), PAGE_DEFAULT, PAGE_MAX.min(rows_max))?,
            page_token: self.page_token.clone(),
        })
    }
}

/// All of them as one text, which no others have.
impl fmt::Display for ListParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filters, sort, page_size, page_token } = self;
        write!(f, "{filters:?} {sort:?} {page_size:?} {page_token:?}")
    }
}

fn filters(pairs: &Pairs, schema: &Schema) -> Result<Vec<Filter>, QueryError> {
    let mut filters: Vec<Filter> = Vec::new();
    for (key, text) in pairs {
        let filter = filter(key, text, schema)?;
        if filters.iter().any(|other| (other.column, other.operation) == (filter.column, filter.operation)) {
            return Err(QueryError::invalid(format!("`{key}` is given twice"))
                .hint(format!("for any of several values write {}.in=A,B", schema.field(filter.column).name())));
        }
        filters.push(filter);
    }
    Ok(filters)
}

fn filter(key: &str, text: &str, schema: &Schema) -> Result<Filter, QueryError> {
    let (column, operation) = column_and_operation(key, schema)?;
    let field = schema.field(column);
    let wrong = |error: UrlValueError| QueryError::invalid(format!("`{key}`: {error}"));
    let values = match operation {
        Operation::IsNull => vec![url_value(text, &DataType::Boolean).map_err(wrong)?],
        _ if !is_comparable(field) => return Err(not_comparable(key, field)),
        Operation::In => {
            let items = split(text);
            if items.len() > IN_MAX {
                return Err(QueryError::invalid(format!("`{key}`: more than {IN_MAX} values")));
            }
            let items = items.iter().map(|item| url_value(item, field.data_type()));
            items.collect::<Result<_, _>>().map_err(wrong)?
        }
        _ => vec![url_value(text, field.data_type()).map_err(wrong)?],
    };
    Ok(Filter { column, operation, values })
}

fn not_comparable(key: &str, field: &Field) -> QueryError {
    let kind = if field.metadata().contains_key(JSON_MARK) { "json" } else { "composite" };
    QueryError::invalid(format!("`{key}`: a {kind} column can only be tested with isnull"))
        .hint("project the part to filter by as a column of its own")
}

fn column_and_operation(key: &str, schema: &Schema) -> Result<(usize, Operation), QueryError> {
    // A column's name may itself contain a dot.
    if let Ok(column) = schema.index_of(key) {
        return Ok((column, Operation::Eq));
    }
    let Some((name, suffix)) = key.rsplit_once('.') else { return Ok((find_column(key, schema)?, Operation::Eq)) };
    let column = find_column(name, schema)?;
    match OPERATIONS.iter().find(|(label, _)| *label == suffix) {
        Some((_, operation)) => Ok((column, *operation)),
        None => {
            let labels = OPERATIONS.map(|(label, _)| label);
            Err(QueryError::invalid(format!("`{key}`: there is no operation `{suffix}`"))
                .hint(format!("the operations are {}", labels.join(", "))))
        }
    }
}

/// Reads `-due_at,id`.
fn sort_columns(text: &str, schema: &Schema) -> Result<Vec<SortColumn>, QueryError> {
    let mut order: Vec<SortColumn> = Vec::new();
    for part in text.split(',') {
        let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
        let column = find_column(name, schema)?;
        if order.iter().any(|sort| sort.column == column) {
            return Err(QueryError::invalid(format!("sort names `{name}` twice")));
        }
        if !is_comparable(schema.field(column)) {
            return Err(QueryError::invalid(format!("`{name}` cannot be sorted by")));
        }
        order.push(SortColumn { column, descending });
    }
    Ok(order)
}

/// Splits at commas; a backslash before a comma or a backslash takes it as it is.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = if char == '\\' { chars.next_if(|next| matches!(next, ',' | '\\')) } else { None };
        match (char, escaped) {
            (',', _) => items.push(String::new()),
            (char, escaped) => {
                if let Some(last) = items.last_mut() {
                    last.push(escaped.unwrap_or(char));
                }
            }
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_splits_at_commas_that_are_not_escaped() {
        assert_eq!(split(r"A,B\,C,\\,\d,"), ["A", "B,C", r"\", r"\d", ""]);
    }
}
