//! The value of a CloudEvents attribute in a header, as the protocol bindings for NATS and HTTP write it (binary content mode,
//! section 3.1.3.2 of either): percent-encoded, by older publishers in double quotes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Whether a header holds an attribute; names of headers compare without case.
pub(super) fn is_attribute(header: &str) -> bool {
    header.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("ce-"))
}

/// The attribute's value; none if what was encoded is not UTF-8. A percent sign that begins no encoded byte is one.
pub(super) fn value(header: &str) -> Option<Cow<'_, str>> {
    let quoted = header.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return percent_decode_str(header).decode_utf8().ok();
    };
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    percent_decode_str(&text).decode_utf8().ok().map(|decoded| Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once() {
        let cases = [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            ("%e2%82%ac", "\u{20ac}"),
            ("%41%2520", "A%20"),
            ("100%", "100%"),
            ("5%zz", "5%zz"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            (r#""a%20b""#, "a b"),
            (r#"""#, r#"""#),
            (r#""""#, ""),
            ("", ""),
        ];
        for (header, expected) in cases {
            assert_eq!(value(header).as_deref(), Some(expected), "{header}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_no_value() {
        for header in ["%C0%A0", "%ff", r#""%ff""#] {
            assert_eq!(value(header), None, "{header}");
        }
    }

    #[test]
    fn attributes_are_known_by_their_prefix() {
        assert!(is_attribute("ce-type") && is_attribute("CE-Id"));
        assert!(!is_attribute("ce") && !is_attribute("Price-ce-x") && !is_attribute("c\u{e9}-x"));
    }
}
