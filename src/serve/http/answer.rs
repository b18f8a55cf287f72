//! The envelope of answers, their ETags, and the metrics of every endpoint.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{body, problem};
use crate::progress::{Freshness, SourceState};
use crate::query::{ErrorKind, Page, QueryError, ReadPoint};
use crate::serve::json::{AnswerLimits, ColumnJson, JsonRows};
use crate::telemetry;

/// An answer without a body still says how fresh it is.
const FRESHNESS_HEADER: HeaderName = HeaderName::from_static("readside-freshness");

/// A name in a path may be this long, a key part too.
const PART_BYTES_MAX: usize = 1024;

/// What a handler comes to: a body and the freshness in it, or nothing new.
#[derive(Debug)]
pub(super) enum Answer {
    Full { json: Vec<Bytes>, freshness: Freshness, etag: Option<String> },
    NotModified { freshness: Freshness, etag: String },
}

/// Answers a request: measured, and with errors as problems.
pub(super) async fn answer(
    endpoint: &'static str,
    uri: &Uri,
    work: impl Future<Output = Result<Answer, QueryError>>,
) -> Response {
    let started = Instant::now();
    let result = work.await;
    telemetry::observe_query(endpoint, started.elapsed());
    match result {
        Ok(answer) => {
            if answer.freshness().is_stale() {
                telemetry::count_stale(endpoint);
            }
            answer.into_response()
        }
        Err(error) => {
            telemetry::count_refused(endpoint, error.kind.label());
            problem::problem(&error, uri)
        }
    }
}

impl Answer {
    fn freshness(&self) -> &Freshness {
        match self {
            Answer::Full { freshness, .. } | Answer::NotModified { freshness, .. } => freshness,
        }
    }

    fn into_response(self) -> Response {
        match self {
            Answer::Full { json, etag, .. } => {
                let mut response = body(200, "application/json", Body::new(Parts::new(json)));
                if let Some(etag) = etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
                    response.headers_mut().insert(header::ETAG, etag);
                }
                response
            }
            Answer::NotModified { freshness, etag } => {
                let mut response = body(304, "application/json", Body::empty());
                response.headers_mut().remove(header::CONTENT_TYPE);
                let values = [(header::ETAG, etag), (FRESHNESS_HEADER, summary(&freshness))];
                for (name, value) in values {
                    if let Ok(value) = HeaderValue::try_from(value) {
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
        }
    }
}

/// `{"item": …, "freshness": …}`.
pub(super) fn item(row: Vec<Bytes>, freshness: Freshness, etag: Option<String>) -> Result<Answer, QueryError> {
    let mut json = vec![Bytes::from_static(b"{\"item\":")];
    json.extend(row);
    finish(json, freshness, etag)
}

/// `{"columns": […], "items": […], "page": {…}, "freshness": …}`; columns only where no table declares them.
pub(super) fn items(
    columns: Option<&[ColumnJson]>,
    rows: Vec<Bytes>,
    page: Option<&PageJson>,
    freshness: Freshness,
    etag: Option<String>,
) -> Result<Answer, QueryError> {
    let mut head = b"{".to_vec();
    if let Some(columns) = columns {
        head.extend_from_slice(b"\"columns\":");
        head.extend_from_slice(&to_json(columns)?);
        head.push(b',');
    }
    head.extend_from_slice(b"\"items\":[");
    let mut tail = b"]".to_vec();
    if let Some(page) = page {
        tail.extend_from_slice(b",\"page\":");
        tail.extend_from_slice(&to_json(page)?);
    }
    let mut json = vec![Bytes::from(head)];
    json.extend(rows);
    json.push(Bytes::from(tail));
    finish(json, freshness, etag)
}

/// `{"items": […], "total": n, "facets": {…}, "page": {…}, "freshness": …}`.
pub(super) fn search_items(hits: Vec<Bytes>, freshness: Freshness) -> Result<Answer, QueryError> {
    finish(hits, freshness, None)
}

fn finish(mut json: Vec<Bytes>, freshness: Freshness, etag: Option<String>) -> Result<Answer, QueryError> {
    let mut tail = b",\"freshness\":".to_vec();
    tail.extend_from_slice(&to_json(&freshness)?);
    tail.push(b'}');
    json.push(Bytes::from(tail));
    Ok(Answer::Full { json, freshness, etag })
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, QueryError> {
    serde_json::to_vec(value).map_err(|error| QueryError::new(ErrorKind::Internal, error.to_string()))
}

/// A body in parts, each of which goes when it is written.
struct Parts(std::vec::IntoIter<Bytes>);

impl Parts {
    fn new(parts: Vec<Bytes>) -> Self {
        Parts(parts.into_iter())
    }
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|part| Ok(Frame::data(part))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_slice().iter().map(|part| part.len() as u64).sum())
    }
}

/// Where the next page is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageJson {
    next_page_token: Option<String>,
    /// Whether commits came between the page before and this one; none of a listing of what is not rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_changed: Option<bool>,
    /// How many there are on all pages, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
}

impl PageJson {
    /// A page of a listing of which `total` is known.
    pub(super) fn of_total(next_page_token: Option<String>, total: usize) -> Self {
        PageJson { next_page_token, cut_changed: None, total: Some(total) }
    }
}

/// Renders a page; runs where the query runs.
pub(super) fn render(page: Page, limits: AnswerLimits) -> Result<(Vec<Bytes>, PageJson), QueryError> {
    let mut rows = JsonRows::new(limits);
    rows.write(&page.rows)?;
    Ok((
        rows.finish()?,
        PageJson { next_page_token: page.next_token, cut_changed: Some(page.cut_changed), total: None },
    ))
}

/// The ETag of an answer from a relation of this generation, or from SQL of these definitions.
///
/// It is weak, because the body also says when it was made. It names all that the rows depend on, and of the freshness
/// what is not a running number: a source that is lost gives a new answer, a second that has passed does not.
pub(super) fn etag(at: &ReadPoint, generation: u64) -> String {
    let freshness = at.freshness();
    let states: Vec<(&str, SourceState)> = freshness.sources.iter().map(|(name, one)| (&**name, one.state)).collect();
    let parts = (&freshness.positions, freshness.revision, generation, states, freshness.state, freshness.incomplete);
    format!("W/\"{:016x}\"", xxh3_64(format!("{parts:?}").as_bytes()))
}

/// Whether the reader already has the answer with this ETag.
pub(super) fn not_modified(headers: &HeaderMap, etag: &str, at: &ReadPoint) -> Option<Answer> {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let matches = known.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag));
    matches.then(|| Answer::NotModified { freshness: at.freshness(), etag: etag.to_owned() })
}

/// Refuses a part of a path that no name and no key is as long as.
pub(super) fn check_part(part: &str) -> Result<(), QueryError> {
    if part.len() <= PART_BYTES_MAX {
        return Ok(());
    }
    Err(QueryError::invalid(format!("a part of the path is longer than {PART_BYTES_MAX} bytes")))
}

fn summary(freshness: &Freshness) -> String {
    serde_json::json!({
        "state": freshness.state,
        "lagEvents": freshness.lag_events,
        "lagSeconds": freshness.lag_seconds,
        "incomplete": freshness.incomplete,
        "asOf": freshness.as_of,
    })
    .to_string()
}
