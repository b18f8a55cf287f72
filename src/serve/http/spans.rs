//! The span of a request, where spans are exported: it continues the trace of whoever asks.

use axum::extract::{MatchedPath, Request};
use axum::response::Response;

use crate::telemetry::RequestSpan;

pub(super) async fn traced(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let header = |name| request.headers().get(name)?.to_str().ok().map(str::to_owned);
    let Some(span) = RequestSpan::begin(request.method().as_str(), route, header) else {
        return next(request).await;
    };
    let response = span.around(next(request)).await;
    span.end(response.status().as_u16());
    response
}
