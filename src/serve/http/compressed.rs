//! Answers in the coding that a request takes: those that are whole, of some size, and made of text or the like.
//!
//! What is compressed is whole before its first byte goes, as every answer is: a reader who takes it slowly holds what is left of it, and
//! no encoder. What is sent while it is made has no size yet, and goes as it is.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;

use super::answer::Parts;
use super::content_coding::Coding;
use super::{CurrentApi, problem};
use crate::query::{ErrorKind, QueryError};

/// Below this a body gains nothing.
const BYTES_MIN: u64 = 1024;
/// Up to this it takes no longer than other work between two turns of a thread that waits for readers; more is for query threads.
const BYTES_ASIDE: u64 = 64 * 1024;

/// Begin the content types that gain.
const GAINING: [&str; 8] = [
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "application/vnd.apache.arrow.stream",
    "text/csv",
    "text/html",
    "text/css",
    "text/javascript",
];

/// Compresses an answer where that is asked for and worth it.
pub(super) async fn compressed(
    api: &CurrentApi,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let (coding, uri) = (Coding::wanted(request.headers()), request.uri().clone());
    let mut response = next(request).await;
    let Some(bytes) = bytes_that_gain(&response) else { return response };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let Some(coding) = coding else { return response };
    let (mut head, body) = response.into_parts();
    let compressed = match whole(body).await {
        Ok(parts) => compress(api, coding, parts, bytes).await,
        Err(error) => Err(QueryError::new(ErrorKind::Internal, error.to_string())),
    };
    match compressed {
        Ok(parts) => {
            head.headers.remove(header::CONTENT_LENGTH);
            head.headers.insert(header::CONTENT_ENCODING, coding.name());
            Response::from_parts(head, Body::new(Parts::new(parts)))
        }
        Err(error) => problem::problem(&error, &uri),
    }
}

/// How many bytes there are, of a body that gains.
fn bytes_that_gain(response: &Response) -> Option<u64> {
    let headers = response.headers();
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let gains =
        GAINING.iter().any(|kind| content_type.starts_with(kind)) && !headers.contains_key(header::CONTENT_ENCODING);
    response.body().size_hint().exact().filter(|bytes| gains && *bytes >= BYTES_MIN)
}

/// The parts of a body that is there.
async fn whole(mut body: Body) -> Result<Vec<Bytes>, axum::Error> {
    let mut parts = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        parts.extend(frame?.into_data());
    }
    Ok(parts)
}

async fn compress(api: &CurrentApi, coding: Coding, parts: Vec<Bytes>, bytes: u64) -> Result<Vec<Bytes>, QueryError> {
    let api = api.now();
    let limits = api.answer_limits();
    if bytes <= BYTES_ASIDE {
        return coding.compress(parts, &limits);
    }
    api.service.aside(move || coding.compress(parts, &limits)).await
}
