//! What a daemon needs of its surroundings, looked at one by one: before a start, and beside a daemon that runs.
//!
//! Each look asks what the daemon itself asks, by the same code, and leaves nothing behind. What comes of it are lines for a person.

mod clock;
mod credentials;
mod events;
mod listeners;
mod machine;
mod place;
mod streams;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::config::Config;

/// What one look has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What was looked at, such as `data_dir` or `stream ORDERS`.
    pub subject: String,
    pub outcome: Outcome,
    pub told: String,
    /// What to do about it; empty where there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Fine,
    /// It works, and will not under circumstances that come.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// The daemon does not work so.
    Wrong,
}

impl Checked {
    fn new(subject: impl Into<String>, outcome: Outcome, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject: subject.into(), outcome, told: told.into(), advice: advice.into() }
    }

    fn fine(subject: impl Into<String>, told: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Fine, told, "")
    }

    fn warning(subject: impl Into<String>, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Warning, told, advice)
    }

    fn unknown(subject: impl Into<String>, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Unknown, told, advice)
    }

    fn wrong(subject: impl Into<String>, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Wrong, told, advice)
    }
}

/// Looks at all that the configuration names. Of each stream the last `events` messages are decoded.
pub async fn check(config: &Config, events: usize) -> Vec<Checked> {
    let (mut checked, manifest) = place::place(config).await;
    checked.push(machine::memory(config, manifest.as_ref()));
    checked.extend(listeners::listeners(config));
    checked.extend(credentials::credentials(config));
    checked.extend(streams::streams(config, manifest.as_ref()).await);
    checked.extend(events::events(config, events).await);
    checked
}

/// As people read an amount.
fn written(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30),
    }
}
