//! The alerts: what each watches, when it fires, and what its section of the runbook says.

mod daemon;
mod projections;
mod sources;

use std::time::Duration;

/// An alert for every projection, every source, or every daemon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alert {
    pub name: &'static str,
    pub scope: Scope,
    pub severity: Severity,
    /// For how long the expression has to hold, as Prometheus writes it.
    pub hold: &'static str,
    pub expression: fn(&Watched) -> String,
    pub summary: &'static str,
    pub description: &'static str,
    pub section: Section,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// One rule for the projections of each owner.
    Projection,
    /// The same of those with an SLO alone.
    Promised,
    Source,
    Daemon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Somebody has to look now.
    Page,
    /// Somebody has to look on a working day.
    Ticket,
}

/// What the runbook says of an alert, in Markdown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub means: &'static str,
    pub shows: &'static str,
    /// What to do, one step an entry.
    pub steps: &'static [&'static str],
    pub ends: &'static str,
}

/// Which series an alert looks at.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    job: String,
    /// The label that tells them apart, and the names that count.
    names: Option<(&'static str, Vec<String>)>,
    pub checkpoint_interval: Duration,
}

impl Watched {
    pub(super) fn new(job: &str, names: Option<(&'static str, Vec<String>)>, checkpoint_interval: Duration) -> Self {
        Self { job: job.to_owned(), names, checkpoint_interval }
    }

    /// The labels of a selector.
    pub(super) fn all(&self) -> String {
        self.with("")
    }

    /// The labels of a selector with some more.
    pub(super) fn with(&self, more: &str) -> String {
        let mut labels = vec![format!("job=\"{}\"", self.job.replace('\\', r"\\").replace('"', "\\\""))];
        // Names are identifiers, so none of their characters means anything in a pattern.
        labels.extend(self.names.as_ref().map(|(label, names)| match names.as_slice() {
            [name] => format!("{label}=\"{name}\""),
            names => format!("{label}=~\"{}\"", names.join("|")),
        }));
        labels.extend((!more.is_empty()).then(|| more.to_owned()));
        format!("{{{}}}", labels.join(","))
    }
}

impl Scope {
    /// The label of what an alert is about.
    pub(super) fn label(self) -> Option<&'static str> {
        match self {
            Scope::Projection | Scope::Promised => Some("projection"),
            Scope::Source => Some("source"),
            Scope::Daemon => None,
        }
    }
}

impl Severity {
    pub(super) fn label(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// All alerts: of projections, of sources, of the daemon.
pub(super) fn all() -> impl Iterator<Item = &'static Alert> {
    projections::ALERTS.iter().chain(sources::ALERTS).chain(daemon::ALERTS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let unique: BTreeSet<&str> = all().map(|alert| alert.name).collect();
        assert_eq!(unique.len(), all().count());
        assert!(unique.iter().all(|name| name.starts_with("Readside")), "{unique:?}");
    }

    #[test]
    fn selectors_name_what_they_watch() {
        let watched = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Watched::new("read\"side", Some(("source", names)), Duration::from_secs(5))
        };
        assert_eq!(watched(&["orders"]).all(), r#"{job="read\"side",source="orders"}"#);
        assert_eq!(
            watched(&["orders", "catalog"]).with("state=\"halted\""),
            r#"{job="read\"side",source=~"orders|catalog",state="halted"}"#
        );
    }
}
