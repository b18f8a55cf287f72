//! Listing a table or a view without SQL: filtered and sorted, in pages.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::filters::{Filter, is_comparable};
use super::pages::{Page, Paging, with_all_columns};
use super::results::Keeping;
use super::session::{Session, Sessions};
use super::{ErrorKind, Limits, QueryError, ReadPoint, SortColumn, relations};
use crate::read_model::OpenTable;

/// A listing: all filters hold together. Columns are indexes in the schema that the request was made for.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    pub filters: Vec<Filter>,
    /// May be empty: rows of a table are then in the order of its key.
    pub sort: Vec<SortColumn>,
    pub page_size: usize,
    pub page_token: Option<String>,
}

/// A page of a table or a view.
pub(super) async fn list(
    sessions: &Sessions,
    session: &Session,
    at: &ReadPoint,
    name: &str,
    request: impl FnOnce(&Schema) -> Result<ListRequest, QueryError>,
    limits: &Limits,
    keeping: Option<Keeping>,
) -> Result<Page, QueryError> {
    let Some(table) = relations::open(at.view(), name)?.table() else {
        let scan = session.scan(sessions, name).await?;
        let schema = scan.schema().inner().clone();
        let request = request(&schema)?;
        let plan = filtered(scan, conditions(&request, &schema))?;
        let repeatable = session.is_repeatable(&plan)?;
        let keeping = keeping.and_then(|keeping| keeping.of(repeatable));
        return paging(at, name, request, &schema, limits)?.read(session, plan, at.cut(), keeping).await;
    };
    let schema = table.schema();
    let request = request(&schema)?;
    check_served(name, &table, &request.filters, limits)?;
    let conditions = conditions(&request, &schema);
    let paging = paging(at, name, request, &schema, limits)?;
    let all = match paging.in_order(session, &table, &conditions, &schema).await? {
        Some(all) => all,
        None => paging.sorted(session, filtered(session.scan(sessions, name).await?, conditions)?).await?,
    };
    // Kept rows that are compared with values are the same again.
    paging.finish(&all, at.cut(), keeping)
}

fn conditions(request: &ListRequest, schema: &Schema) -> Vec<Expr> {
    request.filters.iter().map(|filter| filter.to_expr(schema)).collect()
}

fn filtered(scan: LogicalPlanBuilder, conditions: Vec<Expr>) -> Result<LogicalPlan, QueryError> {
    let filtered = conditions.into_iter().try_fold(scan, LogicalPlanBuilder::filter);
    filtered.and_then(LogicalPlanBuilder::build).map_err(QueryError::planning)
}

/// The same page from rows that were kept.
pub(super) fn kept(
    at: &ReadPoint,
    name: &str,
    request: impl FnOnce(&Schema) -> Result<ListRequest, QueryError>,
    limits: &Limits,
    rows: &RecordBatch,
) -> Result<Page, QueryError> {
    let schema = rows.schema();
    paging(at, name, request(&schema)?, &schema, limits)?.page(rows, at.cut())
}

/// What the page of a listing is one of.
pub(super) fn paging(
    at: &ReadPoint,
    name: &str,
    request: ListRequest,
    schema: &Schema,
    limits: &Limits,
) -> Result<Paging, QueryError> {
    let ListRequest { filters, sort: mut order, page_size, page_token } = request;
    let unique = match relations::open(at.view(), name)?.table() {
        Some(table) => {
            append_key(&mut order, &table);
            let ordered = |column: &usize| order.iter().any(|sort| sort.column == *column);
            !table.spec().key.is_empty() && table.spec().key.iter().all(ordered)
        }
        None => {
            order = with_all_columns(order, schema);
            false
        }
    };
    let mut canonical: Vec<String> = filters.iter().map(|filter| filter.canonical(schema)).collect();
    canonical.sort();
    let (size, asked) = (page_size.min(limits.max_rows), format!("table {name} {canonical:?}"));
    Ok(Paging { order, unique, size, token: page_token, asked })
}

/// The key makes the order total: no two rows are equal in it.
fn append_key(order: &mut Vec<SortColumn>, table: &OpenTable<'_>) {
    let spec = table.spec();
    for column in &spec.key {
        if is_comparable(spec.schema.field(*column)) && !order.iter().any(|sort| sort.column == *column) {
            order.push(SortColumn { column: *column, descending: false });
        }
    }
}

/// Refuses a filter that would scan a large table.
fn check_served(name: &str, table: &OpenTable<'_>, filters: &[Filter], limits: &Limits) -> Result<(), QueryError> {
    let equal: Vec<usize> = filters.iter().filter(|filter| filter.is_equality()).map(|filter| filter.column).collect();
    if filters.is_empty() || table.serves(&equal) {
        return Ok(());
    }
    if !table.has_more_than(limits.scan_limit).map_err(QueryError::running)? {
        return Ok(());
    }
    let spec = table.spec();
    let names = |columns: &[usize]| {
        let names: Vec<&str> = columns.iter().map(|column| spec.schema.field(*column).name().as_str()).collect();
        format!("[{}]", names.join(", "))
    };
    let indexes: Vec<String> = std::iter::once(&spec.key).chain(&spec.indexes).map(|index| names(index)).collect();
    let mut wanted: Vec<usize> = if equal.is_empty() { filters.iter().map(|one| one.column).collect() } else { equal };
    wanted.dedup();
    let detail = format!(
        "no index of `{name}` serves this filter, and its rows are more than the {} that may be scanned",
        limits.scan_limit
    );
    let hint = format!(
        "compare with = or .in on all columns of one of {}, or add `indexes: [{}]` to the projection",
        indexes.join(", "),
        names(&wanted)
    );
    Err(QueryError::new(ErrorKind::NotIndexed, detail).hint(hint))
}
