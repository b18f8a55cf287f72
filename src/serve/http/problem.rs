//! Errors as problem details (RFC 9457).

use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use serde::Serialize;

use super::body;
use crate::progress::Freshness;
use crate::query::{ErrorKind, QueryError};

/// Begins the types of all problems.
pub(super) const TYPES: &str = "urn:readside:problem:";

/// What an answer is, in place of what was asked for; beside it, for those who tell of it.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) kind: &'static str,
    /// Of what is denied.
    pub(super) relation: Option<String>,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<&'a Freshness>,
}

/// A query error at this URI.
pub(super) fn problem(error: &QueryError, uri: &Uri) -> Response {
    let (status, title) = meaning(error.kind);
    let mut response = render(&ProblemBody {
        kind: format!("{TYPES}{}", error.kind.label()),
        title,
        status,
        detail: &error.detail,
        instance: uri.path(),
        hint: error.hint.as_deref(),
        freshness: error.freshness.as_deref(),
    });
    let relation = error.relation.clone();
    response.extensions_mut().insert(Problem { kind: error.kind.label(), relation });
    if status == 503 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// An error of HTTP itself.
pub(super) fn plain(status: u16, kind: &'static str, title: &str, detail: String, uri: &Uri) -> Response {
    let (of_type, instance) = (format!("{TYPES}{kind}"), uri.path());
    let mut response =
        render(&ProblemBody { kind: of_type, title, status, detail: &detail, instance, hint: None, freshness: None });
    response.extensions_mut().insert(Problem { kind, relation: None });
    response
}

fn render(problem: &ProblemBody<'_>) -> Response {
    let json = serde_json::to_vec(problem).unwrap_or_default();
    body(problem.status, "application/problem+json", json)
}

/// The status and the title of an error of this kind.
pub(super) fn meaning(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Invalid => (400, "Invalid request"),
        ErrorKind::UnknownRelation => (404, "Unknown relation"),
        ErrorKind::NotFound => (404, "No such row"),
        ErrorKind::Behind => (409, "Position not reached"),
        ErrorKind::Stale => (409, "Too old"),
        ErrorKind::Incomplete => (409, "Incomplete"),
        ErrorKind::Denied => (403, "Not for this caller"),
        ErrorKind::MixedCuts => (409, "Relations at different cuts"),
        ErrorKind::ReadOnly => (403, "Read-only"),
        ErrorKind::NotIndexed => (422, "No index serves the filter"),
        ErrorKind::TooLarge => (422, "Answer too large"),
        ErrorKind::OutOfMemory => (422, "Memory limit"),
        ErrorKind::Timeout => (504, "Time limit"),
        ErrorKind::Failed => (422, "Query failed"),
        ErrorKind::Overloaded => (503, "Too many queries"),
        ErrorKind::Unavailable => (503, "Not available"),
        ErrorKind::Internal => (500, "Internal error"),
    }
}
