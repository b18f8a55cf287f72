//! The last events of each source, decoded as the daemon decodes them: is each type declared, and does each fit?

use std::collections::BTreeMap;

use super::Checked;
use crate::config::{Config, Nats, Source};
use crate::source::last;
use crate::trial::Tap;

/// Kinds of problems that are shown of one source.
const SHOWN: usize = 3;

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
    let mut problems: BTreeMap<String, usize> = BTreeMap::new();
    for parked in run.events.iter().filter_map(|event| event.parked.as_ref()) {
        *problems.entry(parked.detail.clone()).or_default() += 1;
    }
    let wrong: usize = problems.values().sum();
    let read = messages.len();
    if let Some(why) = run.halted {
        return Checked::wrong(subject, format!("of the last {read} one would halt it: {why}"), advice());
    }
    if wrong == 0 {
        return Checked::fine(subject, format!("the last {read} are declared and fit"));
    }
    let mut worst: Vec<(String, usize)> = problems.into_iter().collect();
    worst.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let shown: Vec<String> = worst.iter().take(SHOWN).map(|(detail, times)| format!("{detail} ({times})")).collect();
    let told = format!("of the last {read} {wrong} would be parked: {}", shown.join("; "));
    Checked::warning(subject, told, advice())
}

fn advice() -> &'static str {
    "declare the types and versions (`readside infer` writes a source from what is there), or say `unknown_events: ignore`"
}
