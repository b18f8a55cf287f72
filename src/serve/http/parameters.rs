//! Parameters in the query string of a URI that several routes have, and how their values are read.

use arrow::datatypes::DataType;
use axum::http::Uri;
use datafusion::common::ScalarValue;

use super::Api;
use crate::query::{Demand, DemandTexts, QueryError, ValueError, parse_value};

/// Parameters in the order they were written.
pub(super) type Pairs = Vec<(String, String)>;

/// Why a text in a URI is no value of a type.
#[derive(Debug, thiserror::Error)]
#[error("{0}{hint}", hint = plus_hint(.0))]
pub(super) struct UrlValueError(ValueError);

/// A plus sign that is written as such arrives as a space.
fn plus_hint(error: &ValueError) -> &'static str {
    match error {
        ValueError::Instant(text) if text.contains(' ') => " (write a plus sign as %2B in a URL)",
        _ => "",
    }
}

/// A value of this type.
///
/// # Errors
/// Where the text is not exactly one value of it.
pub(super) fn url_value(text: &str, data_type: &DataType) -> Result<ScalarValue, UrlValueError> {
    parse_value(text, data_type).map_err(UrlValueError)
}

/// The parameters of a URI.
///
/// # Errors
/// Where they are not encoded as a form.
pub(super) fn pairs(uri: &Uri) -> Result<Pairs, QueryError> {
    let parsed = axum::extract::Query::<Pairs>::try_from_uri(uri);
    parsed.map(|query| query.0).map_err(|error| QueryError::invalid(error.body_text()))
}

/// Of a route that has none.
///
/// # Errors
/// Where one is given: a slip of the pen must not look like an answer.
pub(super) fn no_parameters(uri: &Uri) -> Result<(), QueryError> {
    match pairs(uri)?.first() {
        Some((name, _)) => Err(QueryError::invalid(format!("there is no parameter `{name}`"))),
        None => Ok(()),
    }
}

/// Takes a parameter out.
///
/// # Errors
/// Where it is given twice.
pub(super) fn take(pairs: &mut Pairs, name: &str) -> Result<Option<String>, QueryError> {
    let mut found = pairs.extract_if(.., |(key, _)| key == name);
    let first = found.next().map(|(_, value)| value);
    if found.next().is_some() {
        return Err(QueryError::invalid(format!("`{name}` is given twice")));
    }
    drop(found);
    Ok(first)
}

/// Takes `minPosition`, `maxLag`, `onIncomplete` and `wait` out.
///
/// # Errors
/// Where one is given twice or is not understood.
pub(super) fn demand(api: &Api, pairs: &mut Pairs) -> Result<Demand, QueryError> {
    let min_position = take(pairs, "minPosition")?;
    let max_lag = take(pairs, "maxLag")?;
    let on_incomplete = take(pairs, "onIncomplete")?;
    let wait = take(pairs, "wait")?;
    let texts = DemandTexts {
        min_position: min_position.as_deref(),
        max_lag: max_lag.as_deref(),
        on_incomplete: on_incomplete.as_deref(),
        wait: wait.as_deref(),
    };
    Demand::parse(texts, api.service.streams(), api.service.limits().wait)
}

/// The page size that is asked for.
///
/// # Errors
/// Where it is not a number from 1 to `max`.
pub(super) fn page_size(text: Option<&str>, default: usize, max: usize) -> Result<usize, QueryError> {
    let Some(text) = text else { return Ok(default.min(max)) };
    let size = text.parse().ok().filter(|size| (1..=max).contains(size));
    size.ok_or_else(|| QueryError::invalid(format!("pageSize is `{text}`; a number from 1 to {max} is possible")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn a_plus_sign_that_became_a_space_is_noticed() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert!(url_value("2026-07-01T02:00:00 02:00", &utc).unwrap_err().to_string().contains("%2B"));
    }
}
