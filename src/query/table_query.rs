//! Reading a table without SQL: one row by its key, or a filtered and sorted listing in pages.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::filters::{Filter, is_comparable};
use super::pages::{Page, Paging, SortColumn, page_size, with_all_columns};
use super::wait::take;
use super::{Kind, Limits, Pairs, QueryError, Session, Sessions, session, values};
use crate::progress::Cut;
use crate::read_model::catalog::Snapshot;
use crate::read_model::table::TableSnapshot;

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1000;

/// Most filters of one request.
const FILTERS_MAX: usize = 32;

/// A listing as it was asked for. Names and types are checked against the snapshot that answers it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRequest {
    pub filters: Pairs,
    /// `-due_at,id`.
    pub sort: Option<String>,
    pub page_size: Option<String>,
    pub page_token: Option<String>,
}

impl ListRequest {
    /// What is not `sort`, `pageSize` or `pageToken` is a filter; a column with such a name is reached as `sort.eq`.
    pub fn take(mut pairs: Pairs) -> Result<Self, QueryError> {
        let sort = take(&mut pairs, "sort")?;
        let page_size = take(&mut pairs, "pageSize")?;
        let page_token = take(&mut pairs, "pageToken")?;
        if pairs.len() > FILTERS_MAX {
            return Err(QueryError::invalid(format!("more than {FILTERS_MAX} filters")));
        }
        Ok(ListRequest { filters: pairs, sort, page_size, page_token })
    }
}

/// The row with this key, one text a key column.
pub(super) fn row(snapshot: &Snapshot, name: &str, key: &[String]) -> Result<RecordBatch, QueryError> {
    let Some(table) = session::relation(snapshot, name)?.table() else {
        return Err(QueryError::invalid(format!("`{name}` has no key")).hint("list it with filters"));
    };
    let schema = table.schema();
    let columns: Vec<&str> = table.spec().key.iter().map(|column| schema.field(*column).name().as_str()).collect();
    if key.len() != columns.len() {
        let detail = format!("the key of `{name}` is ({}), and {} parts are given", columns.join(", "), key.len());
        return Err(QueryError::invalid(detail));
    }
    let parse = |(column, text): (&usize, &String)| {
        let field = schema.field(*column);
        let value = values::parse(text, field.data_type());
        value.map_err(|error| QueryError::invalid(format!("key column `{}`: {error}", field.name())))
    };
    let key_values = table.spec().key.iter().zip(key).map(parse).collect::<Result<Vec<_>, _>>()?;
    let found = table.get(&key_values).map_err(QueryError::running)?;
    found.ok_or_else(|| QueryError::new(Kind::NotFound, format!("`{name}` has no row with the key {}", key.join("/"))))
}

/// A page of a table or a view.
pub(super) async fn list(
    sessions: &Sessions,
    session: &Session,
    name: &str,
    request: &ListRequest,
    cut: &Cut,
    limits: &Limits,
) -> Result<Page, QueryError> {
    let mut builder = session.scan(sessions, name).await?;
    let schema = builder.schema().inner().clone();
    let filters = filters(request, &schema)?;
    let mut order = match &request.sort {
        Some(sort) => SortColumn::parse(sort, &schema)?,
        None => Vec::new(),
    };
    let unique = match session::relation(session.snapshot(), name)?.table() {
        Some(table) => {
            check_served(name, table, &filters, limits)?;
            append_key(&mut order, table);
            let ordered = |column: &usize| order.iter().any(|sort| sort.column == *column);
            !table.spec().key.is_empty() && table.spec().key.iter().all(ordered)
        }
        None => {
            order = with_all_columns(order, &schema);
            false
        }
    };
    for filter in &filters {
        builder = builder.filter(filter.to_expr(&schema)).map_err(QueryError::planning)?;
    }
    let mut canonical: Vec<String> = filters.iter().map(|filter| filter.canonical(&schema)).collect();
    canonical.sort();
    let size = page_size(request.page_size.as_deref(), PAGE_DEFAULT, PAGE_MAX.min(limits.max_rows))?;
    let asked = format!("table {name} {canonical:?}");
    let paging = Paging { order, unique, size, token: request.page_token.clone(), asked };
    paging.read(session, builder.build().map_err(QueryError::planning)?, cut).await
}

fn filters(request: &ListRequest, schema: &Schema) -> Result<Vec<Filter>, QueryError> {
    let mut filters: Vec<Filter> = Vec::new();
    for (key, text) in &request.filters {
        let filter = Filter::parse(key, text, schema)?;
        if filters.iter().any(|other| (other.column, other.operation) == (filter.column, filter.operation)) {
            return Err(QueryError::invalid(format!("`{key}` is given twice"))
                .hint(format!("for any of several values write {}.in=A,B", schema.field(filter.column).name())));
        }
        filters.push(filter);
    }
    Ok(filters)
}

/// The key makes the order total: no two rows are equal in it.
fn append_key(order: &mut Vec<SortColumn>, table: &TableSnapshot) {
    let schema = table.schema();
    for column in &table.spec().key {
        if is_comparable(schema.field(*column)) && !order.iter().any(|sort| sort.column == *column) {
            order.push(SortColumn { column: *column, descending: false });
        }
    }
}

/// Refuses a filter that would scan a large table.
fn check_served(name: &str, table: &TableSnapshot, filters: &[Filter], limits: &Limits) -> Result<(), QueryError> {
    let equal: Vec<usize> = filters.iter().filter(|filter| filter.is_equality()).map(|filter| filter.column).collect();
    if filters.is_empty() || table.num_rows() <= limits.scan_limit || table.serves(&equal) {
        return Ok(());
    }
    let schema = table.schema();
    let names = |columns: &[usize]| {
        let names: Vec<&str> = columns.iter().map(|column| schema.field(*column).name().as_str()).collect();
        format!("[{}]", names.join(", "))
    };
    let spec = table.spec();
    let indexes: Vec<String> = std::iter::once(&spec.key).chain(&spec.indexes).map(|index| names(index)).collect();
    let mut wanted: Vec<usize> = if equal.is_empty() { filters.iter().map(|one| one.column).collect() } else { equal };
    wanted.dedup();
    let detail = format!(
        "no index of `{name}` serves this filter, and its {} rows are more than the {} that may be scanned",
        table.num_rows(),
        limits.scan_limit
    );
    let hint = format!(
        "compare with = or .in on all columns of one of {}, or add `indexes: [{}]` to the projection",
        indexes.join(", "),
        names(&wanted)
    );
    Err(QueryError::new(Kind::NotIndexed, detail).hint(hint))
}
