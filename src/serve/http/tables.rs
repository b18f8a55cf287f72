//! `/v1/tables`: one row by its key, or a listing in pages.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::{answer, check_part, etag, item, items, not_modified, render};
use super::{Api, pairs};
use crate::query::{Demand, JsonRows, ListRequest, QueryError};

pub(super) async fn row(
    State(api): State<Api>,
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
        let at = api.reader.at_relation(&name, &demand).await?;
        let etag = etag(&at, at.generation(&name));
        let found = api.reader.row(&at, &name, &key)?;
        if let Some(same) = not_modified(&headers, &etag, &at) {
            return Ok(same);
        }
        let mut rows = JsonRows::new(api.reader.limits().max_bytes);
        rows.write(&found)?;
        item(&rows.into_bytes(), at.freshness(), Some(etag))
    })
    .await
}

pub(super) async fn list(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer("table_list", &uri, async {
        let Path(name) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
        check_part(&name)?;
        let mut pairs = pairs(&uri)?;
        let demand = demand(&api, &mut pairs)?;
        let request = ListRequest::take(pairs)?;
        let at = api.reader.at_relation(&name, &demand).await?;
        // A view may depend on the clock.
        let etag = api.reader.is_table(&at, &name)?.then(|| etag(&at, at.generation(&name)));
        if let Some(same) = etag.as_ref().and_then(|etag| not_modified(&headers, etag, &at)) {
            return Ok(same);
        }
        let bytes_max = api.reader.limits().max_bytes;
        let (rows, page) = api.reader.list(&at, &name, request, move |page| render(page, bytes_max)).await?;
        items(None, &rows, Some(&page), at.freshness(), etag)
    })
    .await
}

pub(super) fn demand(api: &Api, pairs: &mut crate::query::Pairs) -> Result<Demand, QueryError> {
    Demand::take(pairs, api.reader.streams(), api.reader.limits().wait)
}
