//! `/v1/openapi.json`: what this daemon serves now, as OpenAPI 3.1, for whoever makes a client of it or tries its answers.
//!
//! The routes that every daemon has are in `paths.yaml`, what they have in common in `components.yaml`; a test holds them to the router. Each
//! relation and each declared query has paths of its own beside, with its columns and their types. Nothing here reads a row.

mod document;
mod problems;
mod queries;
mod relations;
mod search;
mod values;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use xxhash_rust::xxh3::xxh3_64;

use document::Document;

use super::parameters::no_parameters;
use super::reader::Reader;
use super::{Api, body, problem};
use crate::access::Caller;
use crate::query::{ErrorKind, QueryError};
use crate::serve::auth::Ways;

pub(super) async fn openapi(
    State(api): State<Api>,
    Reader(caller): Reader,
    Extension(ways): Extension<Ways>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let document = match described(&api, caller, ways, &uri).await {
        Ok(document) => document,
        Err(error) => return problem::problem(&error, &uri),
    };
    let etag = format!("\"{:016x}\"", xxh3_64(&document));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.trim_start_matches("W/") == etag
    });
    let mut response = match is_known {
        true => body(304, "application/json", axum::body::Body::empty()),
        false => body(200, "application/json", document),
    };
    if is_known {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// The document as a caller sees it.
async fn described(api: &Api, caller: Caller, ways: Ways, uri: &Uri) -> Result<Vec<u8>, QueryError> {
    no_parameters(uri)?;
    let internal = |error: String| QueryError::new(ErrorKind::Internal, error);
    let view = api.service.view(caller.clone());
    let offered = api.service.offered(caller).await?;
    let mut document = Document::of_fixed_routes().map_err(internal)?;
    document.name_positions(api.service.streams());
    for name in view.projections().keys() {
        let relation = offered.relations.get(name);
        relations::add(&mut document, name, relation);
        if let Some((relation, index)) = relation.and_then(|relation| Some((relation, relation.index.as_ref()?))) {
            search::add(&mut document, name, &relation.shape.schema, index);
        }
    }
    let rows_max = api.service.limits().max_rows;
    for (name, query) in api.service.queries() {
        queries::add(&mut document, query, offered.queries.get(name), rows_max);
    }
    let document = document.finished(ways).map_err(internal)?;
    serde_json::to_vec(&document).map_err(|error| internal(error.to_string()))
}
