//! Patterns of times as PostgreSQL writes them, `YYYY-MM-DD HH24:MI`, as those that times are written and read by here.

use datafusion::common::{Result, plan_err};

/// PostgreSQL's and chrono's; longer ones come before those that they begin with.
const PATTERNS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("IYYY", "%G"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("FMMonth", "%B"),
    ("FMDay", "%A"),
    ("FMDD", "%-d"),
    ("FMMM", "%-m"),
    ("FMHH24", "%-H"),
    ("FMHH12", "%-I"),
    ("DDD", "%j"),
    ("Mon", "%b"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("MI", "%M"),
    ("DD", "%d"),
    ("Dy", "%a"),
    ("ID", "%u"),
    ("IW", "%V"),
    ("HH", "%I"),
    ("SS", "%S"),
    ("Q", "%q"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("am", "%P"),
    ("pm", "%P"),
];

/// The pattern in the form that the functions here take; None if it is in that form.
///
/// # Errors
/// If a part of it has none, or has no meaning.
pub(super) fn translated(pattern: &str) -> Result<Option<String>> {
    if pattern.contains('%') {
        return Ok(None);
    }
    let is_of_number = |char: char| matches!(char, '0' | '9' | '.' | ',' | 'D' | 'G' | 'L' | 'S' | 'F' | 'M' | ' ');
    if pattern.contains(['0', '9']) && pattern.chars().all(is_of_number) {
        return plan_err!(
            "`{pattern}` is a pattern of numbers, which are written by a cast: `CAST(round(x, 2) AS VARCHAR)`"
        );
    }
    let (mut translated, mut rest) = (String::new(), pattern);
    while let Some(char) = rest.chars().next() {
        let known = PATTERNS.iter().filter(|(theirs, _)| has_prefix(rest, theirs));
        if let Some((theirs, ours)) = known.max_by_key(|(theirs, _)| theirs.len()) {
            translated.push_str(ours);
            rest = &rest[theirs.len()..];
        } else if let Some((text, after)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            translated.push_str(text);
            rest = after;
        } else if char.is_alphanumeric() {
            return plan_err!(
                "`{pattern}` is no pattern of a time that is known here, from `{rest}` on: there are {}, texts in double quotes, and \
                 patterns as in `%Y-%m-%d %H:%M:%S`",
                PATTERNS.iter().map(|(theirs, _)| *theirs).collect::<Vec<_>>().join(", ")
            );
        } else {
            translated.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    Ok(Some(translated))
}

/// Numbers are written in any letters, names in those of the pattern.
fn has_prefix(text: &str, pattern: &str) -> bool {
    let Some(start) = text.get(..pattern.len()) else { return false };
    match pattern.to_ascii_uppercase() == pattern && !matches!(pattern, "AM" | "PM") {
        true => start.eq_ignore_ascii_case(pattern),
        false => start == pattern,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pattern_is_translated_whole_or_refused() {
        let of = |pattern: &str| translated(pattern).unwrap().unwrap();
        assert_eq!(of("YYYY-MM-DD HH24:MI:SS.MS"), "%Y-%m-%d %H:%M:%S.%3f");
        assert_eq!(of("yyyymmdd"), "%Y%m%d");
        assert_eq!(of("FMDay, FMDD FMMonth YYYY"), "%A, %-d %B %Y");
        assert_eq!(of("YYYY-MM-DD\"T\"HH24:MI:SS"), "%Y-%m-%dT%H:%M:%S");
        assert_eq!(of("IYYY-IW, HH12 AM"), "%G-%V, %I %p");
        assert_eq!(of("YYYY-\"Q\"Q"), "%Y-Q%q");
        assert_eq!(translated("%Y-%m").unwrap(), None);
        for unknown in ["Month YYYY", "DAY", "MONTH", "J", "YYYY-MM-DDTHH24", "999", "D", "MON"] {
            assert!(translated(unknown).is_err(), "{unknown}");
        }
    }
}
