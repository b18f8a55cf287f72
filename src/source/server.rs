//! A NATS server as whoever connects to it sees it, and what it permits to be published.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use super::connect::{Complaints, connect_and_hear, explain};
use crate::config::{self, subjects_overlap};

/// For an answer that the server may not permit to be asked for.
const ANSWER_LONGEST: Duration = Duration::from_secs(2);

/// The server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    pub version: String,
    /// Whether streams can do what reading needs: several filters of a consumer.
    pub is_recent: bool,
    pub has_jetstream: bool,
}

/// Connects once, as a source does.
///
/// # Errors
/// There is no connection, as a sentence.
pub async fn server(nats: &config::Nats) -> Result<ServerFacts, String> {
    let client = connect_and_hear(nats, &Complaints::default()).await.map_err(|error| explain(&error))?;
    let info = client.server_info();
    let mut numbers = info.version.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok(ServerFacts { is_recent: version >= (2, 10), has_jetstream: info.jetstream, version: info.version })
}

#[derive(Deserialize)]
struct Answer {
    data: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    permissions: Option<Permissions>,
}

#[derive(Deserialize, Default)]
struct Permissions {
    #[serde(default)]
    publish: Subjects,
}

#[derive(Deserialize, Default)]
struct Subjects {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
}

/// Whether a subject may be published to, as the server says of its user; nothing is published. None if it does not say.
///
/// # Errors
/// There is no connection, as a sentence.
pub async fn may_publish(nats: &config::Nats, subject: &str) -> Result<Option<bool>, String> {
    let client = connect_and_hear(nats, &Complaints::default()).await.map_err(|error| explain(&error))?;
    let asked = timeout(ANSWER_LONGEST, client.request("$SYS.REQ.USER.INFO", "".into())).await;
    let Ok(Ok(answer)) = asked else { return Ok(None) };
    let answer: Option<Answer> = serde_json::from_slice(&answer.payload).ok();
    let Some(Answer { data }) = answer else { return Ok(None) };
    Ok(Some(permits(&data.permissions.unwrap_or_default().publish, subject)))
}

fn permits(publish: &Subjects, subject: &str) -> bool {
    let among = |filters: &[String]| filters.iter().any(|filter| subjects_overlap(filter, subject));
    (publish.allow.is_empty() || among(&publish.allow)) && !among(&publish.deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_counts_more_than_what_is_allowed() {
        let of = |allow: &[&str], deny: &[&str]| Subjects {
            allow: allow.iter().map(|one| (*one).to_owned()).collect(),
            deny: deny.iter().map(|one| (*one).to_owned()).collect(),
        };
        assert!(permits(&of(&[], &[]), "a.b"));
        assert!(permits(&of(&["a.>"], &[]), "a.b"));
        assert!(!permits(&of(&["x.>"], &[]), "a.b"));
        assert!(!permits(&of(&["a.>"], &["a.*"]), "a.b"));
    }
}
