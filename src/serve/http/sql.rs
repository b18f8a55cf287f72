//! `/v1/sql` and `/v1/queries`.

use arrow::datatypes::DataType;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Api;
use super::accepted::Accepted;
use super::answer::{answer, check_part};
use super::parameters::{Pairs, demand, page_size, pairs, take, url_value};
use super::reader::Reader;
use super::rendered_rows::{Place, RenderedRows, render};
use super::request_body::RequestBody;
use crate::config::Query;
use crate::query::{Demand, DemandTexts, NamedRequest, QueryError, RowBatches, SqlRequest, did_you_mean};
use crate::serve::formats::{Format, FormattedRows};
use crate::serve::json::{AnswerLimits, ColumnJson, JsonParams};

/// `{"sql": "…", "params": {…} or […], "minPosition": "…", "maxLag": "…", "onIncomplete": "fail" or "mark", "wait": "…",
/// "mixedCuts": "allow" or "refuse"}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SqlBody<'a> {
    sql: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    min_position: Option<String>,
    max_lag: Option<String>,
    on_incomplete: Option<String>,
    wait: Option<String>,
    #[serde(default, deserialize_with = "mixed_cuts")]
    mixed_cuts: bool,
}

/// Whether rows of unequal cuts are read together: `"allow"` or true, `"refuse"` or false.
fn mixed_cuts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(false),
        Value::Bool(is_allowed) => Ok(is_allowed),
        Value::String(text) if text == "allow" => Ok(true),
        Value::String(text) if text == "refuse" => Ok(false),
        other => {
            Err(D::Error::custom(format!("`mixedCuts` is \"allow\" or true, or \"refuse\" or false, and not {other}")))
        }
    }
}

pub(super) async fn sql(
    State(api): State<Api>,
    Reader(caller): Reader,
    accepted: Result<Accepted, Response>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Response {
    let body = match RequestBody::read(&api, body).await.and_then(|body| body.checked_json(&headers)) {
        Ok(body) => body,
        Err(error) => return error.into_problem(&uri),
    };
    // The body was taken in any case: who is still writing would not see the answer.
    let format = match accepted {
        Ok(Accepted(format)) => format,
        Err(refused) => return refused,
    };
    answer("sql", &uri, async {
        let body: SqlBody<'_> =
            serde_json::from_slice(&body.bytes).map_err(|error| QueryError::invalid(format!("the body: {error}")))?;
        if let Some((unknown, _)) = pairs(&uri)?.first() {
            return Err(QueryError::invalid(format!("`{unknown}` belongs into the body")));
        }
        let texts = DemandTexts {
            min_position: body.min_position.as_deref(),
            max_lag: body.max_lag.as_deref(),
            on_incomplete: body.on_incomplete.as_deref(),
            wait: body.wait.as_deref(),
        };
        let demand = Demand::parse(texts, api.service.streams(), api.service.limits().wait)?;
        let parsed = api.service.parse(body.sql).await?;
        let at = api.service.at_sql(caller, &parsed, body.mixed_cuts, &demand).await?;
        // Their values take many times what their text does, so they are made when they are needed.
        let params: Value = serde_json::from_str(body.params.map_or("null", RawValue::get))
            .map_err(|error| QueryError::invalid(format!("the body: {error}")))?;
        let params = JsonParams::new(params)?;
        let (request, limits) = (SqlRequest { parsed, params: params.typed()? }, api.answer_limits());
        let rows = api.service.sql(&at, request, move |batches| render_all(batches, format, limits)).await?;
        rows.answer(&headers, at.freshness())
    })
    .await
}

/// Renders an answer batch by batch; runs where the query runs. A POST asks for no tag.
async fn render_all(mut batches: RowBatches, format: Format, limits: AnswerLimits) -> Result<RenderedRows, QueryError> {
    let schema = batches.schema();
    let mut rows = FormattedRows::new(format, &schema, limits)?;
    while let Some(batch) = batches.next().await? {
        rows.write(&batch)?;
    }
    let place = Place::Items { columns: Some(ColumnJson::all(&schema)), page: None };
    Ok(RenderedRows::untagged(format, rows.finish()?, place))
}

pub(super) async fn named(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    Accepted(format): Accepted,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer("query", &uri, async {
        let Path(name) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
        check_part(&name)?;
        let query = api.service.query(&name)?;
        let mut pairs = pairs(&uri)?;
        let demand = demand(&api, &mut pairs)?;
        let request = named_request(&query, pairs, api.service.limits().max_rows)?;
        let parsed = api.service.parse_declared(&query).await?;
        let at = api.service.at_sql(caller, &parsed, false, &demand).await?;
        let limits = api.answer_limits();
        let rows = api.service.named(&at, query, request, move |page, _| render(page, format, limits)).await?;
        rows.answer(&headers, at.freshness())
    })
    .await
}

/// A named query as it is asked for: `pageSize`, `pageToken`, and the parameters that it declares.
///
/// # Errors
/// Where a parameter is unknown, missing, given twice or not of its type.
fn named_request(query: &Query, mut pairs: Pairs, rows_max: usize) -> Result<NamedRequest, QueryError> {
    let size = take(&mut pairs, "pageSize")?;
    let page_token = take(&mut pairs, "pageToken")?;
    let page_size = page_size(size.as_deref(), query.page_default, query.page_max.min(rows_max))?;
    let given = |name: &str, data_type: &DataType| {
        let wrong = |error| QueryError::invalid(format!("the parameter `{name}`: {error}"));
        take(&mut pairs, name)?.map(|text| url_value(&text, data_type).map_err(wrong)).transpose()
    };
    let request = NamedRequest::new(query, given, page_size, page_token)?;
    match pairs.first() {
        Some((name, _)) => Err(QueryError::invalid(format!("the query `{}` has no parameter `{name}`", query.name))
            .near(did_you_mean(name, query.params.keys().map(String::as_str)))),
        None => Ok(request),
    }
}
