//! Who a request comes from, by its `Authorization`. Without it the daemon says whether it lives and is ready, and hands out the console's
//! files; nothing else.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::audited::asking;
use super::problem;
use crate::serve::audit::{Asking, Audit};
use crate::serve::auth::{Denied, Gate};
use crate::serve::tls::Certified;

/// What says no more than whether the daemon is there, and the files of the console, which every copy of the program has.
fn is_open(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/") || path.starts_with("/console/")
}

/// Lets a request on with its identity beside it, or answers 401.
pub(super) async fn authenticate(
    gate: &Gate,
    audit: &Audit,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let certified = request.extensions().get::<Arc<Certified>>().cloned();
    match bearer(request.headers()).and_then(|token| gate.identity(token, certified.as_deref())) {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            next(request).await
        }
        // Somebody whom nobody knows is told no more than everybody.
        Err(_) if is_open(request.uri().path()) => next(request).await,
        Err(denied) => {
            let (head, _) = request.into_parts();
            audit.denied(&Asking { credential: denied.credential(), ..asking(&head) }, denied.label());
            let mut response =
                problem::plain(401, "not-authenticated", "Not authenticated", denied.to_string(), &head.uri);
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"readside\""));
            response
        }
    }
}

/// The token of a request; none if it has no `Authorization` at all.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Denied::UnknownToken)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(Denied::UnknownToken) }
}
