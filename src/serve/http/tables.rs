//! `/v1/tables`: one row by its key, or a listing in pages.

use arrow::datatypes::{FieldRef, Schema};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use datafusion::common::ScalarValue;

use super::Api;
use super::answer::{answer, check_part, etag, item, items, not_modified, render};
use super::list_parameters::ListParameters;
use super::parameters::{demand, pairs, url_value};
use super::reader::Reader;
use crate::query::{ErrorKind, QueryError};
use crate::serve::json::JsonRows;

pub(super) async fn row(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<Vec<(String, String)>>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer("table_row", &uri, async {
        let Path(parts) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
        let mut parts = parts.into_iter().map(|(_, part)| part);
        let name = parts.next().unwrap_or_default();
        let key: Vec<String> = parts.collect();
        std::iter::once(&name).chain(&key).try_for_each(|part| check_part(part))?;
        let mut pairs = pairs(&uri)?;
        let demand = demand(&api, &mut pairs)?;
        if let Some((unknown, _)) = pairs.first() {
            return Err(QueryError::invalid(format!("a row by its key takes no parameter `{unknown}`")));
        }
        let at = api.service.at_relation(caller, &name, &demand).await?;
        let etag = etag(&at, at.version(&name));
        let values = key_values(&name, &api.service.key_columns(&at, &name)?, &key)?;
        let found = api.service.row(&at, &name, &values)?.ok_or_else(|| {
            let detail = format!("`{name}` has no row with the key {}", key.join("/"));
            QueryError::new(ErrorKind::NotFound, detail).with_freshness(at.freshness())
        })?;
        if let Some(same) = not_modified(&headers, &etag, &at) {
            return Ok(same);
        }
        let mut rows = JsonRows::new(api.answer_limits());
        rows.write(&found)?;
        item(rows.finish()?, at.freshness(), Some(etag))
    })
    .await
}

pub(super) async fn list(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer("table_list", &uri, async {
        let Path(name) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
        check_part(&name)?;
        let mut pairs = pairs(&uri)?;
        let demand = demand(&api, &mut pairs)?;
        let parameters = ListParameters::take(pairs)?;
        let at = api.service.at_relation(caller, &name, &demand).await?;
        // A view may depend on the clock.
        let etag = api.service.is_table(&at, &name)?.then(|| etag(&at, at.version(&name)));
        let (rows_max, limits) = (api.service.limits().max_rows, api.answer_limits());
        if let Some(same) = etag.as_ref().and_then(|etag| not_modified(&headers, etag, &at)) {
            // An ETag names rows and no request: one that is wrong is refused, whatever the reader has.
            let columns = api.service.kept_columns(&at, &name)?;
            columns.map(|columns| parameters.request(&columns, rows_max)).transpose()?;
            return Ok(same);
        }
        let request = move |schema: &Schema| parameters.request(schema, rows_max);
        let (rows, page) = api.service.list(&at, &name, request, move |page| render(page, limits)).await?;
        items(None, rows, Some(&page), at.freshness(), etag)
    })
    .await
}

/// One value a key column, from one text each.
///
/// # Errors
/// Where the texts are not as many as the columns, or one is not of its column's type.
fn key_values(relation: &str, columns: &[FieldRef], key: &[String]) -> Result<Vec<ScalarValue>, QueryError> {
    if key.len() != columns.len() {
        let names: Vec<&str> = columns.iter().map(|column| column.name().as_str()).collect();
        let detail = format!("the key of `{relation}` is ({}), and {} parts are given", names.join(", "), key.len());
        return Err(QueryError::invalid(detail));
    }
    let value = |(column, text): (&FieldRef, &String)| {
        let value = url_value(text, column.data_type());
        value.map_err(|error| QueryError::invalid(format!("key column `{}`: {error}", column.name())))
    };
    columns.iter().zip(key).map(value).collect()
}
