//! `readside parked`: the events that are not in some read models, and why.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::admin::{ActorArgs, show_done};
use super::client::{Client, ClientError, parse};
use super::show::{cell, count, printable, write_freshness, write_table};
use super::{Connection, NO_QUERY, print};

/// `readside parked`
#[derive(Debug, Clone, Args)]
pub struct ParkedArgs {
    #[command(subcommand)]
    pub command: ParkedCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ParkedCommand {
    /// The parked events, without their bodies
    List(ParkedListArgs),
    /// One parked message whole: headers, body, and why it is parked
    Show(ParkedShowArgs),
    /// Take the files as they are now, if what was parked can be admitted by them without anything being read again
    Replay(ReplayArgs),
    /// Give some up: answers are complete without them
    Discard(DiscardArgs),
}

/// `readside parked replay`
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside parked discard SOURCE [SEQUENCE]…`
#[derive(Debug, Clone, Args)]
pub struct DiscardArgs {
    pub source: String,
    /// Sequences of messages; without any, all that the filters mean.
    pub sequences: Vec<u64>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only those that are parked for this reason, such as missing_field.
    #[arg(long, value_name = "REASON")]
    pub parked_for: Option<String>,
    /// Only those that this projection alone could not take.
    #[arg(long)]
    pub projection: Option<String>,
    /// Who asks.
    #[arg(long, env = "READSIDE_ACTOR")]
    pub actor: Option<String>,
    /// Why.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside parked list`
#[derive(Debug, Clone, Args)]
pub struct ParkedListArgs {
    /// Only those of this source.
    #[arg(long)]
    pub source: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only those that are parked for this reason, such as missing_field.
    #[arg(long)]
    pub reason: Option<String>,
    /// Only those that this projection alone could not take.
    #[arg(long)]
    pub projection: Option<String>,
    /// Only those that were published at this time or later, as in 2026-03-02T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only those that were published before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Most events to print.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside parked show SOURCE SEQUENCE`
#[derive(Debug, Clone, Args)]
pub struct ParkedShowArgs {
    pub source: String,
    /// The message's sequence in its stream, or the number of its line in a file.
    pub sequence: u64,
    #[command(flatten)]
    pub connection: Connection,
}

/// Prints parked events of a daemon.
///
/// # Errors
/// If the daemon does not answer or refuses a filter, or the output cannot be written.
pub fn parked(args: &ParkedArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    match &args.command {
        ParkedCommand::List(args) => list(args, out),
        ParkedCommand::Show(args) => show(args, out),
        ParkedCommand::Replay(ReplayArgs { actor, connection }) => {
            let done = Client::new(&connection.url).post(&["v1", "admin", "parked", "replay"], &actor.body())?;
            print(&done, connection, show_done, out)
        }
        ParkedCommand::Discard(args) => discard(args, out),
    }
}

fn list(args: &ParkedListArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let filters = [
        ("source", args.source.clone()),
        ("type", args.event_type.clone()),
        ("reason", args.reason.clone()),
        ("projection", args.projection.clone()),
        ("since", args.since.clone()),
        ("until", args.until.clone()),
        ("pageSize", Some(args.limit.to_string())),
    ];
    let query: Vec<(&str, String)> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = Client::new(&args.connection.url).get(&["v1", "parked"], &query)?;
    print(&answer, &args.connection, show_list, out)
}

fn show(args: &ParkedShowArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let path = ["v1", "parked", &args.source, &args.sequence.to_string()];
    let answer = Client::new(&args.connection.url).get(&path, NO_QUERY)?;
    print(&answer, &args.connection, show_message, out)
}

fn discard(args: &DiscardArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let DiscardArgs { source, sequences, event_type, parked_for, projection, actor, reason, connection } = args;
    let mut which = json!({"source": source});
    if !sequences.is_empty() {
        which["sequences"] = json!(sequences);
    }
    for (name, value) in [("type", event_type), ("reason", parked_for), ("projection", projection)] {
        if let Some(value) = value {
            which[name] = json!(value);
        }
    }
    let body = json!({"which": which, "actor": actor, "reason": reason});
    let done = Client::new(&connection.url).post(&["v1", "admin", "parked", "discard"], &body)?;
    print(&done, connection, show_done, out)
}

#[derive(Deserialize)]
struct Listing {
    items: Vec<Value>,
    page: Page,
    freshness: Value,
}

#[derive(Deserialize)]
struct Page {
    total: usize,
}

/// Parked events as a table.
///
/// # Errors
/// If the answer is not of this form, or the output cannot be written.
pub(super) fn show_list(body: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let Listing { items, page, freshness } = parse(body)?;
    let names = ["source", "sequence", "published", "type", "projection", "reason", "pointer", "detail"];
    let members = ["source", "sequence", "publishedAt", "eventType", "projection", "reason", "pointer", "detail"];
    let rows: Vec<_> =
        items.iter().map(|item| members.map(|member| cell(&item[member].to_string())).to_vec()).collect();
    write_table(out, &names.map(str::to_owned), &rows)?;
    match rows.len() {
        shown if shown < page.total => {
            writeln!(
                out,
                "{shown} of {}; the others come with a filter or a larger --limit",
                count(page.total, "event")
            )?;
        }
        _ => writeln!(out, "{}", count(page.total, "event"))?,
    }
    write_freshness(out, &freshness)
}

#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(borrow)]
    item: Message<'a>,
    freshness: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    source: String,
    sequence: u64,
    subject: String,
    published_at: Option<String>,
    headers: Vec<Header>,
    body_bytes: u64,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    body_text: Option<String>,
    body_base64: Option<String>,
    faults: Vec<Fault>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fault {
    event_type: Option<String>,
    projection: Option<String>,
    reason: String,
    pointer: Option<String>,
    detail: String,
}

/// One parked message: where it is from, why it is parked, what it holds, and what can be done about it.
///
/// # Errors
/// If the answer is not of this form, or the output cannot be written.
pub(super) fn show_message(body: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let Shown { item, freshness } = parse(body)?;
    let Message { source, sequence, subject, published_at, headers, body_bytes, .. } = &item;
    write!(out, "message {sequence} of source `{source}`")?;
    if let Some(published_at) = published_at {
        write!(out, ", published {published_at}")?;
    }
    if !subject.is_empty() {
        write!(out, ", on {}", printable(subject))?;
    }
    writeln!(out)?;
    let parsed: Value = item.body.and_then(|body| serde_json::from_str(body.get()).ok()).unwrap_or_default();
    for fault in &item.faults {
        let Fault { event_type, projection, reason, pointer, detail } = fault;
        let whom = match projection {
            Some(projection) => format!("projection `{projection}`"),
            None => "all projections".to_owned(),
        };
        let of = event_type.as_ref().map(|name| format!(" of type `{}`", printable(name))).unwrap_or_default();
        writeln!(out, "\nparked for {whom}{of}: {reason}")?;
        writeln!(out, "  {}", printable(detail))?;
        if let Some(pointer) = pointer {
            let found = match parsed.pointer(pointer) {
                Some(value) => printable(&value.to_string()),
                None => "nothing".to_owned(),
            };
            writeln!(out, "  at {}: {found}", printable(pointer))?;
        }
    }
    if !headers.is_empty() {
        writeln!(out, "\nheaders")?;
        for Header { name, value } in headers {
            writeln!(out, "  {}: {}", printable(name), printable(value))?;
        }
    }
    // A body that is the JSON `null` reads as none.
    let (form, text) = match (&item.body_text, &item.body_base64) {
        (Some(text), _) => ("text", text.as_str()),
        (None, Some(base64)) => ("base64", base64.as_str()),
        (None, None) => ("JSON", item.body.map_or("null", RawValue::get)),
    };
    writeln!(out, "\nbody, {}, {form}", count(*body_bytes as usize, "byte"))?;
    for line in text.lines() {
        writeln!(out, "  {}", printable(line))?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "once the declaration is corrected: readside parked replay\n\
         if nothing will mend the event:    readside parked discard {source} {sequence} --reason WHY\n"
    )?;
    write_freshness(out, &freshness)
}
