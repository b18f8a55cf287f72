//! Errors of routes: in groups, as routes have them together, and as the answers of an operation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::{API, problem};
use crate::query::ErrorKind;

/// A status and the word of a problem's type.
type Kind = (u16, &'static str);

/// What every route may answer.
const ANYWHERE: [Kind; 2] = [(414, "uri-too-long"), (421, "unknown-host")];
/// Of routes where it matters who asks.
const NOT_AUTHENTICATED: Kind = (401, "not-authenticated");
/// Of routes for readers and administrators.
const TOO_MANY_REQUESTS: Kind = (429, "too-many-requests");

/// What the groups that operations name have; none if there is no such group.
fn group(name: &str) -> Option<Vec<Kind>> {
    let of_queries = |kinds: &[ErrorKind]| kinds.iter().map(|kind| (problem::meaning(*kind).0, kind.label())).collect();
    Some(match name {
        // Rows of relations that stand at some cut.
        "reading" => of_queries(&[
            ErrorKind::Invalid,
            ErrorKind::Denied,
            ErrorKind::UnknownRelation,
            ErrorKind::Behind,
            ErrorKind::Stale,
            ErrorKind::Incomplete,
            ErrorKind::MixedCuts,
            ErrorKind::TooLarge,
            ErrorKind::OutOfMemory,
            ErrorKind::Failed,
            ErrorKind::Internal,
            ErrorKind::Overloaded,
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
        ]),
        // What comes in several of them.
        "formats" => vec![(406, "not-acceptable")],
        "listing" => of_queries(&[ErrorKind::NotIndexed]),
        "one" => of_queries(&[ErrorKind::NotFound]),
        "sql" => of_queries(&[ErrorKind::ReadOnly]),
        // What the daemon says of itself.
        "asking" => of_queries(&[ErrorKind::Invalid, ErrorKind::Internal]),
        // What takes a turn among the queries without reading rows.
        "planning" => of_queries(&[
            ErrorKind::Invalid,
            ErrorKind::OutOfMemory,
            ErrorKind::Internal,
            ErrorKind::Overloaded,
            ErrorKind::Timeout,
        ]),
        "naming" => of_queries(&[ErrorKind::UnknownRelation]),
        "administrators" => of_queries(&[ErrorKind::Denied]),
        "large" => of_queries(&[ErrorKind::TooLarge, ErrorKind::Overloaded]),
        "body" => vec![
            (400, "unreadable-body"),
            (408, "unreadable-body"),
            (413, "unreadable-body"),
            (415, "not-json"),
            (503, "unreadable-body"),
        ],
        "administering" => vec![(400, "invalid"), (403, "not-allowed"), (500, "internal"), (503, "unavailable")],
        "configuring" => vec![(422, "invalid-configuration"), (503, "not-durable")],
        "deciding" => vec![
            (404, "invalid"),
            (404, "no-route"),
            (404, "unknown-relation"),
            (409, "not-possible"),
            (409, "breaking"),
            (409, "needs-rebuild"),
            (503, "not-durable"),
        ],
        "files" => vec![(404, "no-route")],
        _ => return None,
    })
}

/// What an operation answers beside what it is for. `asks_who`: whether it is for some callers alone.
///
/// # Errors
/// The name of a group that there is not.
pub(super) fn kinds(path: &str, groups: &[&str], asks_who: bool) -> Result<BTreeSet<Kind>, String> {
    let mut kinds = BTreeSet::from(ANYWHERE);
    for name in groups {
        kinds
            .extend(group(name).ok_or_else(|| format!("{path} has errors of the group `{name}`, which there is not"))?);
    }
    kinds.extend(asks_who.then_some(NOT_AUTHENTICATED));
    kinds.extend(path.starts_with(API).then_some(TOO_MANY_REQUESTS));
    Ok(kinds)
}

/// The answers with these problems: for each status the name of one that operations share, and what it is.
pub(super) fn answers(kinds: BTreeSet<Kind>) -> BTreeMap<u16, (String, Value)> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, kind) in kinds {
        by_status.entry(status).or_default().push(kind);
    }
    let answer = |(status, kinds): (u16, Vec<&str>)| {
        (status, (format!("{status}.{}", kinds.join(".")), problems(status, &kinds)))
    };
    by_status.into_iter().map(answer).collect()
}

fn problems(status: u16, kinds: &[&str]) -> Value {
    let types: Vec<String> = kinds.iter().map(|kind| format!("{}{kind}", problem::TYPES)).collect();
    let words: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    let mut answer = Map::new();
    answer.insert("description".to_owned(), words.join(", ").into());
    let header = match status {
        401 => Some(("WWW-Authenticate", "wwwAuthenticate")),
        429 | 503 => Some(("Retry-After", "retryAfter")),
        _ => None,
    };
    if let Some((name, component)) = header {
        answer.insert("headers".to_owned(), json!({name: {"$ref": format!("#/components/headers/{component}")}}));
    }
    let of_these = json!({"type": "object", "properties": {"type": {"type": "string", "enum": types}}});
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, of_these]});
    answer.insert("content".to_owned(), json!({"application/problem+json": {"schema": schema}}));
    answer.into()
}
