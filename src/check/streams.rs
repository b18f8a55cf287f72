//! NATS: the server, each stream and how it lets go of messages, and each permission that reading needs.

use std::time::Duration;

use super::clock::clock;
use super::{Checked, written};
use crate::checkpoint::Manifest;
use crate::config::{Config, Nats, NatsContext, Source, SourceKind};
use crate::source::{
    BatchLimits, JetStreamOptions, Start, StreamRequest, StreamStock, StreamSurvey, StreamTerms, may_publish, server,
    survey, without_user,
};

/// As long as a daemon may be away while somebody mends something.
const AWAY: Duration = Duration::from_secs(3600);

pub(super) async fn streams(config: &Config, manifest: Option<&Manifest>) -> Vec<Checked> {
    let Some(nats) = &config.nats else { return Vec::new() };
    let servers = without_user(nats).join(", ");
    let by_context = nats.context.as_ref().map_or_else(String::new, of_context);
    let facts = match server(nats).await {
        Ok(facts) => facts,
        Err(why) => {
            let advice = "start it, or correct `nats`: its address, user and password, token, or file. Streams were not looked at";
            return vec![Checked::wrong("nats", format!("{why}{by_context}"), advice)];
        }
    };
    let told = format!("nats-server {} at {servers}{by_context}", facts.version);
    let mut checked = vec![match (facts.has_jetstream, facts.is_recent) {
        (false, _) => Checked::wrong(
            "nats",
            format!("{told} has no JetStream"),
            "enable it: `jetstream {}` in the server's configuration",
        ),
        (true, false) => {
            Checked::wrong("nats", format!("{told} is too old"), "use 2.10 or later: a consumer has several filters")
        }
        (true, true) => Checked::fine("nats", format!("{told}, with JetStream")),
    }];
    let mut ahead_us = None;
    for source in &config.sources {
        let SourceKind::JetStream { stream, filter_subjects } = &source.input else { continue };
        let seen = of_stream(nats, source, stream, filter_subjects, manifest).await;
        ahead_us = ahead_us.or(seen.as_ref().ok().and_then(|seen| seen.clock_ahead_us));
        match seen {
            Ok(seen) => checked.extend(judge(nats, &source.schema.source, stream, &seen, manifest)),
            Err(why) => checked.push(Checked::wrong(format!("stream {stream}"), why, "see `nats` above")),
        }
    }
    checked.extend(notices(config, nats).await);
    checked.extend(ahead_us.map(clock));
    checked
}

/// Which context of the tool `nats` says where the server is.
fn of_context(context: &NatsContext) -> String {
    let NatsContext { name, path, .. } = context;
    if name == path { format!(", by the context in {path}") } else { format!(", by the context `{name}` in {path}") }
}

async fn of_stream(
    nats: &Nats,
    source: &Source,
    stream: &str,
    filter_subjects: &[String],
    manifest: Option<&Manifest>,
) -> Result<StreamSurvey, String> {
    let name = &source.schema.source;
    let options = JetStreamOptions {
        name: name.clone(),
        nats: nats.clone(),
        stream: stream.to_owned(),
        filter_subjects: filter_subjects.to_vec(),
        limits: BatchLimits::default(),
    };
    let entry = manifest.and_then(|manifest| manifest.content.sources.get(name.as_str()));
    let start = entry.map_or_else(Start::default, |entry| Start {
        after: entry.covered.sequence(),
        identity: serde_json::from_value(entry.identity.clone()).ok(),
        evidence: entry.evidence.clone(),
        // Whether the filter is the same is known to whoever compiles it; without that less is concluded from the samples.
        was_read_otherwise: true,
        accepts_gap: entry.accepts_gap,
    });
    survey(&options, &start).await
}

fn judge(nats: &Nats, source: &str, stream: &str, seen: &StreamSurvey, manifest: Option<&Manifest>) -> Vec<Checked> {
    let subject = format!("stream {stream}");
    let mut checked = Vec::new();
    let is_known = manifest.is_some_and(|manifest| manifest.content.sources.contains_key(source));
    if let Some((terms, stock)) = seen.terms.as_ref().zip(seen.stock.as_ref()) {
        checked.push(match &seen.fault {
            Some(why) => {
                let advice = format!(
                    "a daemon halts source `{source}` so: restore the messages, or accept that they are gone (`readside source accept-gap`)"
                );
                Checked::wrong(&subject, why.clone(), advice)
            }
            None => Checked::fine(&subject, format!("{} messages, {} to {}", stock.messages, stock.first_seq, stock.last_seq)),
        });
        if seen.fault.is_none() {
            checked.push(history(&subject, source, terms, stock, is_known));
        }
    }
    let (api, inbox) = (nats.api_prefix(), nats.inbox_prefix.as_deref().unwrap_or("_INBOX"));
    for (request, told) in &seen.requests {
        let needed = format!("publish `{api}.{}` and to subscribe `{inbox}.>`", request.subject(stream));
        checked.push(permission(&subject, *request, &needed, told));
    }
    checked
}

fn permission(subject: &str, request: StreamRequest, needed: &str, told: &Result<(), String>) -> Checked {
    let what = match request {
        StreamRequest::Info => "the stream's facts",
        StreamRequest::Message => "a stored message",
        StreamRequest::Consumer => "a consumer",
        StreamRequest::Delivery => "messages of a consumer",
    };
    let subject = format!("{subject}, {what}");
    match told {
        Ok(()) => Checked::fine(subject, "permitted"),
        Err(why) if why.to_ascii_lowercase().contains("permissions violation") => {
            Checked::wrong(subject, why.clone(), format!("permit the daemon's user to {needed}"))
        }
        Err(why) if why.contains("does not exist") => {
            Checked::wrong(subject, why.clone(), "Readside makes no streams: a daemon waits for this one")
        }
        Err(why) => {
            Checked::wrong(subject, why.clone(), "a daemon would try this again and again; see the log of nats-server")
        }
    }
}

/// Whether projections find all of history, now and later.
pub(super) fn history(
    subject: &str,
    source: &str,
    terms: &StreamTerms,
    stock: &StreamStock,
    is_known: bool,
) -> Checked {
    let subject = format!("{subject}, history");
    let mut limits = Vec::new();
    if terms.max_age > 0 {
        limits.push(format!("after {}", age(terms.max_age)));
    }
    if terms.max_msgs > 0 {
        limits.push(format!("beyond {} messages", terms.max_msgs));
    }
    if terms.max_bytes > 0 {
        limits.push(format!("beyond {}", written(terms.max_bytes.unsigned_abs())));
    }
    if terms.max_msgs_per_subject > 0 {
        limits.push(format!("beyond {} of a subject", terms.max_msgs_per_subject));
    }
    if stock.first_seq > 1 && !is_known {
        let told = format!("it begins at {}: what was before is gone, and projections say `since`", stock.first_seq);
        return Checked::warning(subject, told, "restore it, or let projections begin there if that is meant");
    }
    let lets_go = terms.discard != "new" || terms.max_age > 0;
    if limits.is_empty() {
        return Checked::fine(subject, "kept without limits");
    }
    if !lets_go {
        let told = format!("publishers are refused {}", limits.join(" and "));
        return Checked::warning(subject, told, "raise the limits of the stream before it is full");
    }
    let is_short =
        terms.max_age > 0 && terms.max_age.unsigned_abs() < u64::try_from(AWAY.as_nanos()).unwrap_or(u64::MAX);
    let told = format!("messages go {}", limits.join(" and "));
    if is_short {
        let advice = format!(
            "a daemon that is away for longer halts source `{source}`: keep messages for longer than it may ever be away"
        );
        return Checked::wrong(subject, told, advice);
    }
    let advice = "what is built anew then lacks them: keep copies (`readside checkpoint export`), or keep the messages";
    Checked::warning(subject, told, advice)
}

fn age(nanoseconds: i64) -> String {
    let seconds = nanoseconds.unsigned_abs() / 1_000_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

async fn notices(config: &Config, nats: &Nats) -> Option<Checked> {
    let subject = config.parked_notify.as_ref()?;
    let name = "parked.notify";
    Some(match may_publish(nats, subject).await {
        Ok(Some(true)) => Checked::fine(name, format!("`{subject}` may be published to")),
        Ok(Some(false)) => {
            let advice = format!("permit the daemon's user to publish `{subject}`");
            Checked::wrong(name, format!("`{subject}` may not be published to"), advice)
        }
        Ok(None) => {
            let advice = "permit `$SYS.REQ.USER.INFO` to have it looked at; a notice itself is not sent for that";
            Checked::warning(name, format!("the server does not say whether `{subject}` may be published to"), advice)
        }
        Err(why) => Checked::wrong(name, why, "see `nats` above"),
    })
}
