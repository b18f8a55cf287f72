//! What an object store says of an operation that failed: on one line, and without what nobody else may know.

use std::error::Error;
use std::fmt;

/// An error of an object store, already told. It has no source: all causes are in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    text: String,
    trouble: Trouble,
}

/// What has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The store knows who asks, or does not, and refuses.
    Denied,
    /// There is no such bucket or container.
    Missing,
    /// Nothing answers, or too late.
    Unreachable,
    Other,
}

impl StoreError {
    /// What a person can do about it where it is not a local folder.
    pub(super) fn advice(&self) -> &'static str {
        match self.trouble {
            Trouble::Denied => {
                "see to it that its credentials (from the environment, or `object_store`) are right and may list, read, write and \
                 delete there"
            }
            Trouble::Missing => "create the bucket, or correct `data_dir`",
            Trouble::Unreachable => {
                "see to it that it can be reached from here (the network, and the endpoint if it is another server than the \
                 provider's), and start again"
            }
            Trouble::Other => "see to it that it can be read and written, and start again",
        }
    }
}

impl From<&object_store::Error> for StoreError {
    fn from(error: &object_store::Error) -> Self {
        let text = without_answer(&chain(error));
        let trouble = match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Trouble::Denied
            }
            object_store::Error::NotFound { .. } => Trouble::Missing,
            object_store::Error::Generic { .. } => trouble(&text),
            _ => Trouble::Other,
        };
        Self { text, trouble }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for StoreError {}

/// What lists, and requests for credentials, fail with: of these the library tells no kind.
fn trouble(text: &str) -> Trouble {
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    // The library asks the machine that it runs on for credentials if there are none.
    if has(&["status code: 401", "status code: 403", "169.254.169.254", "metadata.google.internal"]) {
        Trouble::Denied
    } else if has(&["status code: 404"]) {
        Trouble::Missing
    } else if has(&["HTTP error", "status code: 5"]) {
        Trouble::Unreachable
    } else {
        Trouble::Other
    }
}

/// An error with its causes, each once: the library repeats most of them.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

/// Leaves of an answer in XML its code and its message. The rest may repeat the request, with tokens that it was signed with.
fn without_answer(text: &str) -> String {
    let mut rest = text;
    let mut told = String::new();
    while let Some(begin) = rest.find("<Error>") {
        let end = rest.find("</Error>").map_or(rest.len(), |end| end + "</Error>".len()).max(begin);
        let before = &rest[..begin];
        told.push_str(before.rfind("<?xml").map_or(before, |head| &before[..head]).trim_end());
        let part = |tag: &str| {
            let answer = &rest[begin..end];
            let from = answer.find(&format!("<{tag}>"))? + tag.len() + 2;
            Some(answer[from..].split('<').next().unwrap_or_default().trim())
        };
        let parts: Vec<&str> = ["Code", "Message"].into_iter().filter_map(part).collect();
        told.push(' ');
        told.push_str(&parts.join(", "));
        rest = &rest[end..];
    }
    told.push_str(rest);
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_only_code_and_message_are_told() {
        let text = "Client error with status 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code>\
                    <Message>The signature does not match.</Message><CanonicalRequest>x-amz-security-token:hidden\n</CanonicalRequest>\
                    </Error> in 3ms";
        let told =
            "Client error with status 403 Forbidden: SignatureDoesNotMatch, The signature does not match. in 3ms";
        assert_eq!(without_answer(text), told);
        assert_eq!(without_answer("cut off <Error><Code>A</Code><Token>hidden"), "cut off A");
        assert_eq!(without_answer("no answer at all"), "no answer at all");
    }

    #[test]
    fn what_a_list_fails_with_is_told_apart() {
        let of = |status: &str| {
            trouble(&format!("Error performing GET http://x/y - Server returned non-2xx status code: {status}"))
        };
        assert_eq!(
            ["403 Forbidden", "404 Not Found", "503 Slow Down", "400 Bad Request"].map(of),
            [Trouble::Denied, Trouble::Missing, Trouble::Unreachable, Trouble::Other]
        );
        assert_eq!(trouble("HTTP error: error sending request: Connection refused"), Trouble::Unreachable);
    }
}
