//! The runbook: a section for each alert, below the heading that its `runbook_url` names.

use std::fmt::Write;

use super::alerts::{self, Alert, Scope, Severity, Watched};
use super::{Surroundings, sources};
use crate::config::{Config, ProjectionKind};

/// The runbook, in Markdown.
pub fn runbook(config: &Config, around: &Surroundings) -> String {
    let mut text = String::from(
        "<!-- Written by `readside generate runbook`: change the configuration and write it again. -->\n\
         # Runbook\n\n\
         A section for each alert that `readside generate rules` writes, which links to it. Commands ask the daemon at `--url` (or\n\
         `READSIDE_URL`); those that change it take `--actor` and `--reason`, and `readside history` has them. Panels are those of the dashboard that\n\
         `readside generate dashboard` writes. What a `readside reload` builds of a changed projection may wait: `readside projection list` says\n\
         `shadowing` then, and `readside projection promote NAME --reason WHY` lets it serve.\n",
    );
    owners(&mut text, config, around);
    for (scopes, title) in [
        (&[Scope::Promised, Scope::Projection][..], "Projections"),
        (&[Scope::Source], "Sources"),
        (&[Scope::Daemon], "The daemon"),
    ] {
        let _ = write!(text, "\n## {title}\n");
        for alert in alerts::all().filter(|alert| scopes.contains(&alert.scope)) {
            section(&mut text, alert, config, around);
        }
    }
    text
}

/// Who answers for what. Writing to a string cannot fail, here and below.
fn owners(text: &mut String, config: &Config, around: &Surroundings) {
    text.push_str("\n## Who is told\n\n| Projection | Kind | Owner | Promised |\n|---|---|---|---|\n");
    for projection in &config.projections {
        let kind = match projection.kind {
            ProjectionKind::Table => "table",
            ProjectionKind::Search => "search",
            ProjectionKind::View => "view",
        };
        let promised = match projection.slo {
            None => "–".to_owned(),
            Some(slo) => {
                // As it is written: 99.9, and not 99.90000000000001.
                let percent = (slo.objective * 1e8).round() / 1e6;
                format!("at most {} s behind in {percent} % of the time", slo.lag.as_secs_f64())
            }
        };
        let _ = writeln!(text, "| `{}` | {kind} | {} | {promised} |", projection.name, around.owner_of(projection));
    }
    let sources: Vec<String> = sources(config).iter().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(
        text,
        "\nAlerts about sources ({}) and the daemon go to {}. Projections without an SLO have no alerts about freshness.",
        sources.join(", "),
        around.owner
    );
}

fn section(text: &mut String, alert: &Alert, config: &Config, around: &Surroundings) {
    let severity = match alert.severity {
        Severity::Page => "A page: look now.",
        Severity::Ticket => "A ticket: look on a working day.",
    };
    let names = alert.scope.label().map(|label| (label, vec!["NAME".to_owned()]));
    let watched = Watched::new(&around.job, names, config.checkpoint_interval);
    let expression = (alert.expression)(&watched);
    let held = if alert.hold == "0s" { "at once".to_owned() } else { format!("after {}", alert.hold) };
    let _ = write!(
        text,
        "\n### {}\n\n{severity} It fires {held} of\n\n```promql\n{expression}\n```\n\n**What it means.** {}\n\n**What you see.** {}\n\n**What to do.**\n\n",
        alert.name, alert.section.means, alert.section.shows
    );
    for (index, step) in alert.section.steps.iter().enumerate() {
        let _ = writeln!(text, "{}. {step}", index + 1);
    }
    let _ = write!(text, "\n**What ends it.** {}\n", alert.section.ends);
}
