//! `${NAME}` and `${NAME:-default}` in a scalar. Where the environment comes from is the caller's matter.

/// A scalar's text after substitution, and how to find the way back to what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Substituted {
    pub text: String,
    pub replaced: Vec<Replaced>,
}

/// One replaced part, as ranges of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replaced {
    pub written: (usize, usize),
    pub text: (usize, usize),
}

/// A `${…}` that cannot be replaced, with its place in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubstitutionError {
    pub at: usize,
    pub message: String,
    pub hint: String,
}

/// Replaces every `${…}`. `$${` stands for a literal `${`. As in a shell, `:-` also covers a variable that is empty.
pub(super) fn substitute(
    written: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Substituted, SubstitutionError> {
    let characters: Vec<char> = written.chars().collect();
    let mut out: Vec<char> = Vec::with_capacity(characters.len());
    let mut replaced = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let (length, value) = if rest.starts_with(&['$', '$', '{']) {
            (3, "${".to_owned())
        } else if rest.starts_with(&['$', '{']) {
            let length = rest.iter().position(|c| *c == '}').ok_or_else(|| SubstitutionError {
                at,
                message: "`${` is not closed".to_owned(),
                hint: "write `${NAME}` or `${NAME:-default}`, or `$${` for the characters themselves".to_owned(),
            })? + 1;
            let inside: String = rest[2..length - 1].iter().collect();
            (length, value(&inside, env).map_err(|(message, hint)| SubstitutionError { at, message, hint })?)
        } else {
            out.push(characters[at]);
            at += 1;
            continue;
        };
        let start = out.len();
        out.extend(value.chars());
        replaced.push(Replaced { written: (at, at + length), text: (start, out.len()) });
        at += length;
    }
    Ok(Substituted { text: out.into_iter().collect(), replaced })
}

fn value(inside: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, (String, String)> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        let message = format!("`{name}` is not the name of an environment variable");
        return Err((message, "write `${NAME}` or `${NAME:-default}`".to_owned()));
    }
    match (env(name), default) {
        (Some(found), Some(default)) if found.is_empty() => Ok(default.to_owned()),
        (Some(found), _) => Ok(found),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("environment variable `{name}` is not set"),
            format!("set it, or give a default: `${{{name}:-…}}`"),
        )),
    }
}

/// The written place of a character of the text.
pub(super) fn written_place(replaced: &[Replaced], place: usize) -> usize {
    match replaced.iter().rev().find(|part| part.text.0 <= place) {
        Some(part) if place < part.text.1 => part.written.0,
        Some(part) => part.written.1 + (place - part.text.1),
        None => place,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(written: &str, expected: &str) {
        let env = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let actual = substitute(written, &env).map_or_else(|failed| failed.message, |done| done.text);
        assert_eq!(actual, expected, "{written}");
    }

    #[test]
    fn variables_and_defaults_are_filled_in() {
        check("a ${SET} b", "a value b");
        check("${SET}${SET:-x}", "valuevalue");
        check("${UNSET:-x:-y}", "x:-y");
        check("${EMPTY:-x}|${EMPTY}|", "x||");
        check("$SET $${SET} 5$", "$SET ${SET} 5$");
        check("${UNSET}", "environment variable `UNSET` is not set");
        check("${SET", "`${` is not closed");
        check("${A-b}", "`A-b` is not the name of an environment variable");
    }

    #[test]
    fn places_lead_back_to_what_is_written() {
        let env = |_: &str| Some("xy".to_owned());
        let done = substitute("a ${LONG_NAME} b", &env).unwrap();
        assert_eq!(done.text, "a xy b");
        let places: Vec<usize> = (0..6).map(|place| written_place(&done.replaced, place)).collect();
        assert_eq!(places, [0, 1, 2, 2, 14, 15]);
    }
}
