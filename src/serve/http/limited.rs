//! Requests of one principal, as many as they may have.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::connections::Peer;
use super::held_body::HeldBody;
use super::reader::caller;
use super::{ADMIN, API, problem};
use crate::serve::quotas::{Exceeded, Quotas};
use crate::telemetry::count_limited;

/// Lets a request on while its principal has not asked too much. Health and the console's files are not counted; nor is what administrators
/// do, who may have to do something about it.
pub(super) async fn limited(
    quotas: &Quotas,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let extensions = request.extensions();
    let route = extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let caller = caller(extensions);
    if !route.starts_with(API) || (route.starts_with(ADMIN) && caller.sees_operations()) {
        return next(request).await;
    }
    let peer = extensions.get::<Peer>().map(|Peer(peer)| *peer);
    match quotas.admit(&caller, peer, Instant::now()) {
        Ok(admitted) if admitted.is_counted() => {
            // It is one of those at once until its answer is taken.
            next(request).await.map(|body| Body::new(HeldBody::new(body, admitted)))
        }
        Ok(_) => next(request).await,
        Err(exceeded) => refused(exceeded, &request),
    }
}

fn refused(exceeded: Exceeded, request: &Request) -> Response {
    count_limited(exceeded.label());
    let (kind, detail) = ("too-many-requests", exceeded.to_string());
    let mut response = problem::plain(429, kind, "Too many requests", detail, request.uri());
    let seconds = exceeded.retry_after().as_millis().div_ceil(1_000) as u64;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}
