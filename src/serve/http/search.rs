//! `/v1/search`: hits with their rows, counts by facet, and marked passages.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Api;
use super::accepted::Accepted;
use super::answer::{PageJson, answer, check_part, to_json};
use super::parameters::{Pairs, demand, pairs};
use super::reader::Reader;
use super::rendered_rows::{Place, RenderedRows};
use super::request_body::RequestBody;
use super::search_body::parameters;
use super::search_parameters::SearchParameters;
use crate::access::Caller;
use crate::query::{ErrorKind, QueryError, ReadPoint};
use crate::read_model::search::{Parts, RangeCount, SearchAnswer, Snippet, VectorPart, WordsPart};
use crate::serve::formats::{self, Format};
use crate::serve::json::{AnswerLimits, JsonRows};

/// One hit: its row, how well it matches, and marked passages.
#[derive(Debug, Serialize)]
struct HitJson {
    item: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartsJson>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    highlights: BTreeMap<String, SnippetJson>,
}

/// Where a hit stands in each order, where a vector is asked for.
#[derive(Debug, Serialize)]
struct PartsJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<WordsPartJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<VectorPartJson>,
}

#[derive(Debug, Serialize)]
struct WordsPartJson {
    rank: usize,
    score: f32,
}

#[derive(Debug, Serialize)]
struct VectorPartJson {
    rank: usize,
    distance: f64,
}

#[derive(Debug, Serialize)]
struct SnippetJson {
    text: String,
    /// Ranges in `text` as `[start, end]`, in UTF-16 code units: those of strings in JavaScript, Java and C#.
    marks: Vec<[usize; 2]>,
}

#[derive(Debug, Serialize)]
struct ValueCount {
    value: String,
    count: u64,
}

/// From a value on, and below another.
#[derive(Debug, Serialize)]
struct RangeCountJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    count: u64,
}

/// What stands in the envelope beside the freshness.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HitsJson<'a> {
    items: Vec<HitJson>,
    total: usize,
    /// Said only where there are some: documents whose vector cannot be compared.
    #[serde(skip_serializing_if = "is_zero")]
    unfit_vectors: usize,
    /// Said only where it is so: what was typed is longer than what was looked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    text_cut: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facets: BTreeMap<String, Vec<ValueCount>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ranges: BTreeMap<String, Vec<RangeCountJson>>,
    page: &'a PageJson,
}

pub(super) async fn search(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    Accepted(format): Accepted,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer("search", &uri, async {
        let (at, rows) = found(&api, caller, path, pairs(&uri)?, format).await?;
        rows.answer(&headers, at.freshness())
    })
    .await
}

/// The same with its parameters in the body, where a vector of any length has room.
pub(super) async fn search_by_body(
    State(api): State<Api>,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
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
    answer("search", &uri, async {
        if let Some((stray, _)) = pairs(&uri)?.first() {
            return Err(QueryError::invalid(format!("`{stray}` belongs into the body")));
        }
        let (at, rows) = found(&api, caller, path, parameters(&body.bytes)?, format).await?;
        rows.without_tag().answer(&headers, at.freshness())
    })
    .await
}

async fn found(
    api: &Api,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    mut pairs: Pairs,
    format: Format,
) -> Result<(ReadPoint, RenderedRows), QueryError> {
    let Path(name) = path.map_err(|error| QueryError::invalid(error.body_text()))?;
    check_part(&name)?;
    let demand = demand(api, &mut pairs)?;
    let parameters = SearchParameters::take(pairs)?;
    let at = api.service.at_relation(caller, &name, &demand).await?;
    let request = parameters.request(api.service.text_fields(&at, &name)?)?;
    let (offset, limits) = (request.offset, api.answer_limits());
    let rendered = move |found: SearchAnswer| match format {
        Format::Json => hits(found, offset, limits),
        format => rows(&found, offset, format, limits),
    };
    match api.service.search(&at, &name, request, rendered).await? {
        Some(found) => Ok((at, found)),
        None => Err(not_an_index(&at, &name, parameters.sought())),
    }
}

/// The envelope up to the freshness; runs where the search runs.
fn hits(found: SearchAnswer, offset: usize, limits: AnswerLimits) -> Result<RenderedRows, QueryError> {
    let page = page(&found, offset);
    let internal = |error: String| QueryError::new(ErrorKind::Internal, error);
    let mut left = limits.bytes;
    // For the rendered rows until the envelope is made of them.
    let mut reserved = Vec::new();
    let mut items = Vec::with_capacity(found.hits.len());
    let rows = found.shown_rows().map_err(|error| internal(error.to_string()))?;
    for (index, hit) in found.hits.into_iter().enumerate() {
        let mut row = JsonRows::items(AnswerLimits { bytes: left, ..limits.clone() });
        row.write(&rows.slice(index, 1))?;
        let bytes = row.finish()?.concat();
        reserved.push(limits.reserve(bytes.len())?);
        left = left.saturating_sub(bytes.len());
        let text = String::from_utf8(bytes).map_err(|error| internal(error.to_string()))?;
        let item = RawValue::from_string(text).map_err(|error| internal(error.to_string()))?;
        let highlights = hit.snippets.into_iter().map(|(field, snippet)| (field, marked(snippet))).collect();
        items.push(HitJson { item, score: hit.score, parts: hit.parts.map(parts), highlights });
    }
    let facet = |(value, count)| ValueCount { value, count };
    let facets = found.facets.into_iter().map(|(field, values)| (field, values.into_iter().map(facet).collect()));
    let range = |RangeCount { from, to, count }| RangeCountJson { from, to, count };
    let ranges = found.ranges.into_iter().map(|(field, ranges)| (field, ranges.into_iter().map(range).collect()));
    let mut json = to_json(&HitsJson {
        total: found.total,
        unfit_vectors: found.unfit_vectors,
        text_cut: found.text_cut,
        facets: facets.collect(),
        ranges: ranges.collect(),
        page: &page,
        items,
    })?;
    drop(reserved);
    // The freshness follows.
    json.pop();
    Ok(RenderedRows::tagged(Format::Json, vec![limits.hold(json)?], Place::Hits(page)))
}

/// The rows of the hits, in their order; runs where the search runs. Scores, passages and counts have no place among them.
fn rows(found: &SearchAnswer, offset: usize, format: Format, limits: AnswerLimits) -> Result<RenderedRows, QueryError> {
    let shown = found.shown_rows().map_err(|error| QueryError::new(ErrorKind::Internal, error.to_string()))?;
    let rows = formats::render(format, &shown, limits)?;
    Ok(RenderedRows::tagged(format, rows, Place::Hits(page(found, offset))))
}

fn page(found: &SearchAnswer, offset: usize) -> PageJson {
    let next = offset + found.hits.len();
    let more = !found.hits.is_empty() && next < found.total;
    PageJson::new(more.then(|| next.to_string()))
}

fn parts(parts: Parts) -> PartsJson {
    PartsJson {
        words: parts.words.map(|WordsPart { rank, score }| WordsPartJson { rank, score }),
        vector: parts.vector.map(|VectorPart { rank, distance }| VectorPartJson { rank, distance }),
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn marked(snippet: Snippet) -> SnippetJson {
    let units = |end: usize| snippet.text[..end].encode_utf16().count();
    SnippetJson {
        marks: snippet.marks.iter().map(|mark| [units(mark.start), units(mark.end)]).collect(),
        text: snippet.text,
    }
}

fn not_an_index(at: &ReadPoint, name: &str, text: &str) -> QueryError {
    let projections = at.view().projections();
    let kind = projections.get(name).map_or("table", |status| status.kind);
    let indexes = projections.values().filter(|status| status.kind == "search");
    let indexes: Vec<&str> = indexes.map(|status| status.name.as_str()).collect();
    let error = QueryError::invalid(format!("`{name}` is a {kind}; it cannot be searched for `{text}`"));
    match indexes.as_slice() {
        [] => error.hint("declare a projection of kind search"),
        names => error.hint(format!("the search indexes are {}", names.join(", "))),
    }
}
