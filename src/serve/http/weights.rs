//! What a request would like to have, and how much: headers such as `Accept` (RFC 9110, section 12.4.2).

use axum::http::{HeaderMap, HeaderName};

/// The weight of what is said without one, in thousandths.
const WHOLE: u16 = 1000;

/// The members of a header, in lower case and without parameters, with their weights in thousandths. One whose weight is none is left out.
pub(super) fn weighted(headers: &HeaderMap, name: HeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| split(value, b',')).filter_map(member).collect()
}

fn member(text: &str) -> Option<(String, u16)> {
    let mut parts = split(text, b';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let given = parts.find_map(|part| part.split_once('=').filter(|(key, _)| key.trim_end().eq_ignore_ascii_case("q")));
    Some((name, given.map_or(Some(WHOLE), |(_, weight)| thousandths(weight.trim_start()))?))
}

/// `0.85` is 850: from 0 to 1, with at most three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_weight = matches!(whole, "0" | "1") && fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let weight: u16 = is_weight.then(|| format!("{whole}{fraction:0<3}").parse().ok())??;
    (weight <= WHOLE).then_some(weight)
}

/// Splits at a separator that stands in no quoted string.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char: char| {
        let ends = !is_quoted && char == char::from(separator);
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        ends
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn members_have_their_weights() {
        let check = |value: &'static str, expected: &[(&str, u16)]| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
            let found = weighted(&headers, header::ACCEPT);
            let found: Vec<(&str, u16)> = found.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
            assert_eq!(found, expected, "{value}");
        };
        check("", &[]);
        check(" , ,", &[]);
        check("Text/CSV, */*;q=0.1", &[("text/csv", 1000), ("*/*", 100)]);
        check("a/b ; Q=0.125;level=1, c/d;charset=utf-8; q=1.000", &[("a/b", 125), ("c/d", 1000)]);
        check("a/b;x=\"1,2;q=0\\\",\";q=0.5, c/d;q=0", &[("a/b", 500), ("c/d", 0)]);
        check("a;q=1.1, b;q=0.1234, c;q=-1, d;q=, e;q=.5, f;q=1.", &[("f", 1000)]);
    }

    #[test]
    fn several_headers_are_one_list() {
        let lines = ["gzip", "zstd;q=0.5"].map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        let expected = [("gzip".to_owned(), 1000), ("zstd".to_owned(), 500)];
        assert_eq!(weighted(&headers, header::ACCEPT_ENCODING), expected);
    }
}
