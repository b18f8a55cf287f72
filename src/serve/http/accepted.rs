//! Which format of rows a request would like best, by its header `Accept` (RFC 9110, section 12.5.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::problem;
use super::weights::weighted;
use crate::serve::formats::Format;

/// What says that an answer would be another one with another `Accept`.
pub(super) const VARIES: HeaderValue = HeaderValue::from_static("Accept");

/// The format that rows are to have.
pub(super) struct Accepted(pub(super) Format);

impl<S: Sync> FromRequestParts<S> for Accepted {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Response> {
        if let Some(format) = accepted(&head.headers) {
            return Ok(Self(format));
        }
        let offered = Format::ALL.map(Format::media_type).join(", ");
        let detail = format!("`Accept` names nothing that there is; rows come as {offered}");
        let mut response = problem::plain(406, "not-acceptable", "Not acceptable", detail, &head.uri);
        response.headers_mut().append(header::VARY, VARIES);
        Err(response)
    }
}

/// The format with the greatest weight, the first of several; none where all have none.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    let ranges = weighted(headers, header::ACCEPT);
    let says_nothing = headers.get_all(header::ACCEPT).iter().all(|value| value.as_bytes().trim_ascii().is_empty());
    if says_nothing {
        return Format::ALL.first().copied();
    }
    let weighed = Format::ALL.map(|format| (weight(&ranges, format.media_type()), format));
    let best = weighed.iter().map(|(weight, _)| *weight).max().filter(|weight| *weight > 0)?;
    weighed.iter().find(|(weight, _)| *weight == best).map(|(_, format)| *format)
}

/// The weight of a media type: that of the range which names it most exactly.
fn weight(ranges: &[(String, u16)], media_type: &str) -> u16 {
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let exact = [media_type.to_owned(), format!("{kind}/*"), "*/*".to_owned()];
    let of = |wanted: &String| ranges.iter().filter(|(range, _)| range == wanted).map(|(_, weight)| *weight).max();
    exact.iter().find_map(of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_that_is_wanted_most_is_given() {
        let check = |value: &'static str, expected: Option<Format>| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
            assert_eq!(accepted(&headers), expected, "{value}");
        };
        assert_eq!(accepted(&HeaderMap::new()), Some(Format::Json));
        check("", Some(Format::Json));
        check("*/*", Some(Format::Json));
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Format::Json));
        check("text/csv", Some(Format::Csv));
        check("text/*", Some(Format::Csv));
        check("application/*", Some(Format::Json));
        check("application/json; charset=utf-8", Some(Format::Json));
        check("APPLICATION/X-NDJSON", Some(Format::Lines));
        check("application/json;q=0.5, text/csv", Some(Format::Csv));
        check("application/json;q=0.5, text/csv;q=0.5", Some(Format::Json));
        check("application/vnd.apache.arrow.stream, */*;q=0.1", Some(Format::Arrow));
        // What is named exactly counts before what is meant too.
        check("application/json;q=0, */*", Some(Format::Lines));
        check("application/json;q=0, application/*;q=0.2, text/*;q=0.1", Some(Format::Lines));
        for nothing in ["text/html", "application/json;q=0", "*/*;q=0", "json", "text/csv;q=2"] {
            check(nothing, None);
        }
    }
}
