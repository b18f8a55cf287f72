//! Paths into JSON: the keys and places that lead to an element, as a list or as PostgreSQL's `'{a,0,b}'`.

use datafusion::common::{Result, plan_err};

use super::read::Value;

/// The element that a path leads to.
pub(super) fn follow<'a>(text: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(text, |text, step| Value::of(text)?.step(step))
}

/// The steps of `'{a,0,"b c"}'`.
///
/// # Errors
/// If the text is not written so.
pub(super) fn steps(text: &str) -> Result<Vec<String>> {
    let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let Some(inner) = inner else {
        return plan_err!("`{text}` is no path of JSON: write `'{{a,0,b}}'`, or a list of keys, `['a', '0', 'b']`");
    };
    let mut steps = Vec::new();
    let (mut step, mut quoted, mut was_quoted) = (String::new(), false, false);
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => step.extend(chars.next()),
            '"' => {
                // What is before the quotes are blanks.
                if !quoted {
                    step.clear();
                }
                (quoted, was_quoted) = (!quoted, true);
            }
            _ if was_quoted && !quoted && char != ',' => {}
            ',' if !quoted => steps.push(taken(&mut step, &mut was_quoted)),
            _ => step.push(char),
        }
    }
    if !inner.trim().is_empty() {
        steps.push(taken(&mut step, &mut was_quoted));
    }
    Ok(steps)
}

fn taken(step: &mut String, was_quoted: &mut bool) -> String {
    let step = std::mem::take(step);
    if std::mem::take(was_quoted) { step } else { step.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_path_is_written_as_an_array_of_postgresql() {
        let of = |text: &str| steps(text).unwrap();
        assert_eq!(of("{a,0,b}"), ["a", "0", "b"]);
        assert_eq!(of(r#"{ a , "b, c" , "d\"" }"#), ["a", "b, c", "d\""]);
        assert_eq!(of("{}"), Vec::<String>::new());
        assert!(steps("a,b").is_err());
        let text = r#"{"a": [1, {"b": true}]}"#;
        assert_eq!(follow(text, &["a", "-1", "b"]), Some("true"));
        assert_eq!(follow(text, &["a", "b"]), None);
        assert_eq!(follow(text, &[]), Some(text));
    }
}
