//! Pages of other origins that may read (CORS), as declared; without a declaration no browser hands an answer to any.
//!
//! Only readers' routes: what an administrator may do stays for this listener's own pages, and no answer says that cookies or certificates
//! may be sent along. Who reads is decided all the same, by the token that the page's script sends.

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{ADMIN, API};
use crate::config::Cors;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-none-match, traceparent");
/// Beside those that every page may see.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, readside-cut-changed, readside-freshness, readside-next-page-token, retry-after, www-authenticate",
);

/// Answers what a browser asks before it asks, which has no token, and says of other answers who may see them.
pub(super) async fn cross_origin(
    cors: Option<&Cors>,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let Some(cors) = cors.filter(|_| is_readers(&request)) else { return next(request).await };
    let allowed = allowed(cors, request.headers());
    let asks_before = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && allowed.is_some();
    let mut response = if asks_before { preflight(cors) } else { next(request).await };
    let headers = response.headers_mut();
    // What is kept of an answer for one origin is none for another.
    if !cors.allows_any() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    }
    response
}

fn is_readers(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    route.is_some_and(|route| route.starts_with(API) && !route.starts_with(ADMIN))
}

/// What an answer says of the origin of the page that asks, if that may have it. Origins are compared as browsers write them.
fn allowed(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    if cors.allows_any() {
        return Some(HeaderValue::from_static("*"));
    }
    cors.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn preflight(cors: &Cors) -> Response {
    let age = HeaderValue::from(cors.max_age.as_secs());
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, age),
    ];
    (StatusCode::NO_CONTENT, headers, Body::empty()).into_response()
}
