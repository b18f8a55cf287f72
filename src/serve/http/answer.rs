//! What a request is answered with: rows in an envelope of JSON or in a format that has none, or the word that nothing is new; and the
//! metrics of every endpoint.

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

use super::accepted::VARIES;
use super::{body, problem};
use crate::progress::Freshness;
use crate::query::{ErrorKind, QueryError};
use crate::serve::formats::Format;
use crate::serve::json::ColumnJson;
use crate::telemetry;

/// An answer without an envelope still says how fresh it is,
const FRESHNESS_HEADER: HeaderName = HeaderName::from_static("readside-freshness");
/// where the next page is,
const NEXT_PAGE_HEADER: HeaderName = HeaderName::from_static("readside-next-page-token");
/// and whether commits came between the page before and this one.
const CUT_CHANGED_HEADER: HeaderName = HeaderName::from_static("readside-cut-changed");

/// A name in a path may be this long, a key part too.
const PART_BYTES_MAX: usize = 1024;

/// What a handler comes to: a body and its freshness, or nothing new.
#[derive(Debug)]
pub(super) enum Answer {
    Full { body: Vec<Bytes>, head: Head },
    NotModified { head: Head },
}

/// What is said beside a body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) freshness: Freshness,
    pub(super) etag: Option<String>,
    /// The format that was asked for; none where there is but one.
    pub(super) format: Option<Format>,
    /// The page that this is, where no envelope says it.
    pub(super) page: Option<PageJson>,
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
            Answer::Full { head, .. } | Answer::NotModified { head } => &head.freshness,
        }
    }

    fn into_response(self) -> Response {
        match self {
            Answer::Full { body: parts, head } => {
                let format = head.format.unwrap_or(Format::Json);
                let mut response = body(200, format.content_type(), Body::new(Parts::new(parts)));
                head.tell(response.headers_mut(), format != Format::Json);
                response
            }
            Answer::NotModified { head } => {
                let mut response = body(304, "application/json", Body::empty());
                response.headers_mut().remove(header::CONTENT_TYPE);
                head.tell(response.headers_mut(), true);
                response
            }
        }
    }
}

impl Head {
    /// Of JSON that nothing else is asked for in place of.
    fn of_json(freshness: Freshness) -> Self {
        Head { freshness, etag: None, format: None, page: None }
    }

    /// `tells_freshness` where no envelope does.
    fn tell(self, headers: &mut HeaderMap, tells_freshness: bool) {
        if self.format.is_some() {
            headers.append(header::VARY, VARIES);
        }
        let page = self.page.as_ref();
        let values = [
            (header::ETAG, self.etag),
            (FRESHNESS_HEADER, tells_freshness.then(|| summary(&self.freshness))),
            (NEXT_PAGE_HEADER, page.and_then(|page| page.next_page_token.clone())),
            (CUT_CHANGED_HEADER, page.and_then(|page| page.cut_changed).map(|changed| changed.to_string())),
        ];
        for (name, value) in values {
            if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
    }
}

/// `{"item": …, "freshness": …}` of what is no row.
pub(super) fn item(item: Vec<Bytes>, freshness: Freshness) -> Result<Answer, QueryError> {
    finish([vec![Bytes::from_static(b"{\"item\":")], item].concat(), Head::of_json(freshness))
}

/// `{"items": […], "page": {…}, "freshness": …}` of what are no rows.
pub(super) fn items(items: Vec<Bytes>, page: Option<&PageJson>, freshness: Freshness) -> Result<Answer, QueryError> {
    finish(list(None, items, page)?, Head::of_json(freshness))
}

/// `{"columns": […], "items": […], "page": {…}`; columns only where no table declares them.
pub(super) fn list(
    columns: Option<&[ColumnJson]>,
    rows: Vec<Bytes>,
    page: Option<&PageJson>,
) -> Result<Vec<Bytes>, QueryError> {
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
    Ok(json)
}

/// Adds the freshness, and the end of the envelope.
pub(super) fn finish(mut json: Vec<Bytes>, head: Head) -> Result<Answer, QueryError> {
    let mut tail = b",\"freshness\":".to_vec();
    tail.extend_from_slice(&to_json(&head.freshness)?);
    tail.push(b'}');
    json.push(Bytes::from(tail));
    Ok(Answer::Full { body: json, head })
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, QueryError> {
    serde_json::to_vec(value).map_err(|error| QueryError::new(ErrorKind::Internal, error.to_string()))
}

/// A body in parts, each of which goes when it is written.
pub(super) struct Parts(std::vec::IntoIter<Bytes>);

impl Parts {
    pub(super) fn new(parts: Vec<Bytes>) -> Self {
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
    pub(super) next_page_token: Option<String>,
    /// Whether commits came between the page before and this one; none of a listing of what is not rows, and of a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cut_changed: Option<bool>,
    /// How many there are on all pages, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
}

impl PageJson {
    pub(super) fn new(next_page_token: Option<String>) -> Self {
        PageJson { next_page_token, cut_changed: None, total: None }
    }

    /// A page of rows, before which commits may have come.
    pub(super) fn of_rows(next_page_token: Option<String>, cut_changed: bool) -> Self {
        PageJson { cut_changed: Some(cut_changed), ..Self::new(next_page_token) }
    }

    /// A page of a listing of which `total` is known.
    pub(super) fn of_total(next_page_token: Option<String>, total: usize) -> Self {
        PageJson { total: Some(total), ..Self::new(next_page_token) }
    }
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
        "phase": freshness.phase,
        "lagEvents": freshness.lag_events,
        "lagSeconds": freshness.lag_seconds,
        "incomplete": freshness.incomplete,
        "asOf": freshness.as_of,
        "positions": freshness.positions,
        "revision": freshness.revision,
    })
    .to_string()
}
