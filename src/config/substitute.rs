//! `${NAME}`, `${file:PATH}` and defaults for them in a scalar. Where the environment and files come from is the caller's matter.

use std::io;

use super::paths::resolve;

/// Where the values of `${…}` come from.
pub(super) struct Values<'a> {
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub read: &'a dyn Fn(&str) -> io::Result<String>,
    /// Where relative paths begin.
    pub folder: &'a str,
}

impl Values<'_> {
    /// None, as in texts that Readside writes itself.
    pub(super) const NONE: Values<'static> =
        Values { env: &|_| None, read: &|_| Err(io::Error::from(io::ErrorKind::NotFound)), folder: "" };
}

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
pub(super) fn substitute(written: &str, values: &Values<'_>) -> Result<Substituted, SubstitutionError> {
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
                hint: format!("{FORMS}, or `$${{` for the characters themselves"),
            })? + 1;
            let inside: String = rest[2..length - 1].iter().collect();
            (length, value(&inside, values).map_err(|(message, hint)| SubstitutionError { at, message, hint })?)
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

const FORMS: &str = "write `${NAME}`, `${file:PATH}`, or either with a default, `${NAME:-default}`";

fn value(inside: &str, values: &Values<'_>) -> Result<String, (String, String)> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    match name.strip_prefix("file:") {
        Some(path) => of_file(path, default, values),
        None => of_environment(name, default, values),
    }
}

fn of_environment(name: &str, default: Option<&str>, values: &Values<'_>) -> Result<String, (String, String)> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err((format!("`{name}` is not the name of an environment variable"), FORMS.to_owned()));
    }
    match ((values.env)(name), default) {
        (Some(found), Some(default)) if found.is_empty() => Ok(default.to_owned()),
        (Some(found), _) => Ok(found),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("environment variable `{name}` is not set"),
            format!("set it, or give a default: `${{{name}:-…}}`"),
        )),
    }
}

/// The text of a file, as secrets are mounted, without the end of its last line, which editors and `echo` add.
fn of_file(path: &str, default: Option<&str>, values: &Values<'_>) -> Result<String, (String, String)> {
    if path.trim().is_empty() {
        return Err(("`${file:}` names no file".to_owned(), FORMS.to_owned()));
    }
    let path = resolve(values.folder, path);
    let text = match (values.read)(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && default.is_some() => String::new(),
        Err(error) => {
            let hint = format!(
                "a relative path begins at the folder of this file; a default is for a file that is not there: `${{file:{path}:-…}}`"
            );
            return Err((format!("cannot read `{path}`: {error}"), hint));
        }
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(match default {
        Some(default) if text.is_empty() => default.to_owned(),
        _ => text.to_owned(),
    })
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
        let read = |path: &str| match path {
            "/run/secrets/token" | "config/token" => Ok("se:-cret\r\n".to_owned()),
            "/empty" => Ok("\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let values = Values { env: &env, read: &read, folder: "config" };
        let actual = substitute(written, &values).map_or_else(|failed| failed.message, |done| done.text);
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
    fn files_are_filled_in_without_the_end_of_their_last_line() {
        check("a ${file:/run/secrets/token} b", "a se:-cret b");
        check("${file:token}", "se:-cret");
        check("${file:/none:-x}${file:/empty:-y}${file:/empty}", "xy");
        check("${file:none}", "cannot read `config/none`: entity not found");
        check("${file:}", "`${file:}` names no file");
    }

    #[test]
    fn places_lead_back_to_what_is_written() {
        let env = |_: &str| Some("xy".to_owned());
        let values = Values { env: &env, read: &|_| Ok(String::new()), folder: "" };
        let done = substitute("a ${LONG_NAME} b", &values).unwrap();
        assert_eq!(done.text, "a xy b");
        let places: Vec<usize> = (0..6).map(|place| written_place(&done.replaced, place)).collect();
        assert_eq!(places, [0, 1, 2, 2, 14, 15]);
    }
}
