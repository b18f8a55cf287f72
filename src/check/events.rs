//! The last events of each source, decoded as the daemon decodes them: is each type declared, and does each fit?

use std::collections::BTreeMap;

use super::Checked;
use crate::config::{Config, Nats, Source};
use crate::event::Reason;
use crate::source::last;
use crate::trial::{ParkedBecause, Tap};

/// Kinds of problems that are shown of one source.
const SHOWN: usize = 5;

/// What to do about types and versions that nobody declares.
const TO_DECLARE: &str = "declare the types and versions (`readside infer` writes a source from what is there), or say `unknown_events: ignore`";
/// What to do about events that are not as they are declared.
const TO_CORRECT: &str = "correct what the source declares, or what is published; `readside parked list` has each of them once a daemon runs";

pub(super) async fn events(config: &Config, count: usize) -> Vec<Checked> {
    let mut checked = Vec::new();
    if count > 0 {
        for source in &config.sources {
            checked.push(of_source(source, config.nats.as_ref(), count).await);
        }
    }
    checked
}

async fn of_source(source: &Source, nats: Option<&Nats>, count: usize) -> Checked {
    let name = &source.schema.source;
    let subject = format!("events of {name}");
    let messages = match last(source, nats, count).await {
        Ok(messages) => messages,
        Err(why) => return Checked::unknown(subject, why, "see its stream above"),
    };
    let run = Tap::new(source).map_err(|_| "its upcasters cannot be used".to_owned());
    let run = run.and_then(|mut tap| tap.take(&messages).map_err(|error| error.to_string()));
    let run = match run {
        Ok(run) => run,
        Err(why) => return Checked::wrong(subject, why, "`readside validate` says what is wrong"),
    };
    if let Some(why) = &run.halted {
        let told = format!("of the last {} one would halt it: {why}", messages.len());
        return Checked::wrong(subject, told, TO_DECLARE);
    }
    let parked: Vec<&ParkedBecause> = run.events.iter().filter_map(|event| event.parked.as_ref()).collect();
    judge(&subject, messages.len(), &parked)
}

/// What is told of the last `read` events of a source, of which these would be parked.
pub(super) fn judge(subject: &str, read: usize, parked: &[&ParkedBecause]) -> Checked {
    let mut problems: BTreeMap<&str, usize> = BTreeMap::new();
    for because in parked {
        *problems.entry(because.detail.as_str()).or_default() += 1;
    }
    if problems.is_empty() {
        return Checked::fine(subject, format!("the last {read} are declared and fit"));
    }
    let mut worst: Vec<(&str, usize)> = problems.into_iter().collect();
    worst.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let shown: Vec<String> = worst.iter().take(SHOWN).map(|(detail, times)| format!("{detail} ({times})")).collect();
    let more = match worst.len() - shown.len() {
        0 => String::new(),
        left => format!("; … and {left} more"),
    };
    let told = format!("of the last {read} {} would be parked: {}{more}", parked.len(), shown.join("; "));
    let undeclared = [Reason::UnknownType, Reason::UnknownVersion, Reason::NewerVersion].map(Reason::label);
    let is_undeclared = parked.iter().any(|because| undeclared.contains(&because.reason));
    Checked::warning(subject, told, if is_undeclared { TO_DECLARE } else { TO_CORRECT })
}
