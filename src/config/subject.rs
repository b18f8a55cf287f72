//! Subjects of NATS and filters for them: tokens between dots, `*` for one of them, `>` for all that follow.

/// Whether a subject can pass both filters.
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether it is one, or a filter for some.
pub(super) fn is_subject(subject: &str) -> bool {
    let tokens: Vec<&str> = subject.split('.').collect();
    let last = tokens.len() - 1;
    tokens.iter().enumerate().all(|(place, token)| {
        let wildcard = matches!(*token, "*" | ">");
        !token.is_empty()
            && !token.contains(char::is_whitespace)
            && (wildcard || !token.contains(['*', '>']))
            && (*token != ">" || place == last)
    })
}
