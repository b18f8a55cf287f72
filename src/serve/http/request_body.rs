//! A request's body, whole, within limits of its bytes, of those of all bodies together, and of the time it takes to come.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use futures::TryStreamExt;
use tokio::time::timeout;

use super::{Api, problem};
use crate::serve::byte_budget::Reserved;

const BYTES_MAX: usize = 1024 * 1024;

/// As much of a body that is too large is read and forgotten: a client that is still writing when the answer comes and the
/// connection closes would see a broken pipe in place of the answer.
const FORGOTTEN_BYTES_MAX: usize = 16 * BYTES_MAX;

/// So much of a body counts against no budget.
const ALWAYS_BYTES: usize = 16 * 1024;

/// A body, and what it takes of the bytes of all bodies.
#[derive(Debug, Default)]
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    reserved: Vec<Reserved>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    Broken,
    TooSlow,
    /// Too many bytes of other bodies are held.
    Crowded,
    NotJson,
}

impl RequestBody {
    pub(super) async fn read(api: &Api, body: Body) -> Result<Self, BodyError> {
        let (mut whole, mut read) = (RequestBody::default(), 0);
        let outcome = timeout(api.body_timeout, whole.fill(api, body, &mut read)).await;
        match outcome {
            Ok(outcome) => outcome.map(|()| whole),
            Err(_) if read > BYTES_MAX => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::TooSlow),
        }
    }

    /// The same, if its head says that it is JSON. Browsers send other types across origins without asking; JSON they do not.
    pub(super) fn checked_json(self, headers: &HeaderMap) -> Result<Self, BodyError> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") { Ok(self) } else { Err(BodyError::NotJson) }
    }

    async fn fill(&mut self, api: &Api, body: Body, read: &mut usize) -> Result<(), BodyError> {
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.try_next().await.map_err(|_| BodyError::Broken)? {
            *read += part.len();
            if *read > BYTES_MAX {
                // What is too large is not kept.
                *self = RequestBody::default();
                if *read > FORGOTTEN_BYTES_MAX {
                    break;
                }
                continue;
            }
            if *read > ALWAYS_BYTES {
                self.reserved.push(api.bodies.reserve(part.len()).ok_or(BodyError::Crowded)?);
            }
            self.bytes.extend_from_slice(&part);
        }
        if *read > BYTES_MAX { Err(BodyError::TooLarge) } else { Ok(()) }
    }
}

impl BodyError {
    pub(super) fn into_problem(self, uri: &Uri) -> Response {
        let kind = if self == BodyError::NotJson { "not-json" } else { "unreadable-body" };
        let (status, detail) = match self {
            BodyError::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body has to be JSON, with the header Content-Type: application/json".to_owned(),
            ),
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {BYTES_MAX} bytes")),
            BodyError::Broken => (StatusCode::BAD_REQUEST, "the body could not be read whole".to_owned()),
            BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not come whole in time".to_owned()),
            BodyError::Crowded => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many large bodies are being read; try again later".to_owned())
            }
        };
        let title = status.canonical_reason().unwrap_or("Unreadable body");
        let mut response = problem::plain(status.as_u16(), kind, title, detail, uri);
        let headers = response.headers_mut();
        match self {
            BodyError::Crowded => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
            // The rest of it would be read as the next request.
            BodyError::TooSlow => drop(headers.insert(header::CONNECTION, HeaderValue::from_static("close"))),
            BodyError::TooLarge | BodyError::Broken | BodyError::NotJson => {}
        }
        response
    }
}
