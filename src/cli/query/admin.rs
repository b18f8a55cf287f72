//! The verbs that change a running daemon, and the ledger of what they did.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Answer, Client, ClientError, parse};
use super::show::{cell, printable, write_freshness, write_table};
use super::waiting::{Projection, ToPromote, show_to_promote, show_waiting, wait};
use super::{Connection, ListArgs, NO_QUERY, StatusArgs, print, show_item};

/// Who asks, and why: kept in the daemon's ledger.
#[derive(Debug, Clone, Default, Args)]
pub struct ActorArgs {
    /// Who asks.
    #[arg(long, env = "READSIDE_ACTOR")]
    pub actor: Option<String>,
    /// Why.
    #[arg(long)]
    pub reason: Option<String>,
    /// Of the configuration's files, such as a commit.
    #[arg(long, env = "READSIDE_REVISION")]
    pub revision: Option<String>,
}

impl ActorArgs {
    pub(super) fn body(&self) -> Value {
        let mut body = json!({});
        for (name, value) in [("actor", &self.actor), ("reason", &self.reason), ("revision", &self.revision)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        body
    }
}

/// `readside reload`
#[derive(Debug, Clone, Args)]
pub struct ReloadArgs {
    /// Wait until everything is built that has to be, and fail if a part of it cannot.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection rebuild NAME`
#[derive(Debug, Clone, Args)]
pub struct RebuildArgs {
    pub name: String,
    /// Let only what was published since then count, as RFC 3339. Answers say from which sequence on.
    #[arg(long, value_name = "TIME")]
    pub from_timestamp: Option<String>,
    /// Wait until it is built, and fail if it cannot be.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection abort NAME` and the like
#[derive(Debug, Clone, Args)]
pub struct ProjectionVerbArgs {
    pub name: String,
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection promote NAME`
#[derive(Debug, Clone, Args)]
pub struct PromoteArgs {
    pub name: String,
    /// Promote it although readers of today may miss something: columns that are dropped or have another type, another key.
    #[arg(long)]
    pub allow_breaking: bool,
    /// Recompute it in batch before, with all that is built with it, and promote it only if that gives the same rows: else
    /// exit code 2 different, 3 not verifiable.
    #[arg(long)]
    pub verify: bool,
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection verify NAME`
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    pub name: String,
    /// Look at a share of the keys alone, such as `1/20`, the first of twenty
    #[arg(long, value_name = "N/M")]
    pub share: Option<String>,
    /// Look at what is built and waits to be promoted, and not at what serves
    #[arg(long)]
    pub built: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Equal,
    Different,
    NotVerifiable,
}

/// `readside history`
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// Most steps to print, the newest.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside source`
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    #[command(subcommand)]
    pub command: SourceCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SourceCommand {
    /// All sources with their positions, lag, and what has stopped them
    List(ListArgs),
    /// One source in detail
    Status(StatusArgs),
    /// Read it no further for now
    Pause(SourceVerbArgs),
    /// Read one on that was paused or has halted
    Resume(SourceVerbArgs),
    /// Read a halted one on behind what its stream has lost: answers say that they are incomplete
    AcceptGap(SourceVerbArgs),
    /// Take the stream that is there now for another one, which is read from its beginning
    Reset(SourceVerbArgs),
}

/// `readside source pause NAME` and the like
#[derive(Debug, Clone, Args)]
pub struct SourceVerbArgs {
    pub name: String,
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// Shows a daemon's sources, or decides about one.
///
/// # Errors
/// If the daemon does not answer or refuses, or the output cannot be written.
pub fn source(args: &SourceArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    match &args.command {
        SourceCommand::List(ListArgs { connection }) => {
            let answer = Client::new(&connection.url).get(&["v1", "sources"], NO_QUERY)?;
            print(&answer, connection, show_sources, out)
        }
        SourceCommand::Status(StatusArgs { name, connection }) => {
            let answer = Client::new(&connection.url).get(&["v1", "sources", name], NO_QUERY)?;
            print(&answer, connection, show_item, out)
        }
        SourceCommand::Pause(args) => decide_source(args, "pause", out),
        SourceCommand::Resume(args) => decide_source(args, "resume", out),
        SourceCommand::AcceptGap(args) => decide_source(args, "accept-gap", out),
        SourceCommand::Reset(args) => decide_source(args, "reset", out),
    }
}

fn decide_source(args: &SourceVerbArgs, verb: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let client = Client::new(&args.connection.url);
    let done = client.post(&["v1", "admin", "sources", &args.name, verb], &args.actor.body())?;
    print(&done, &args.connection, show_done, out)
}

#[derive(Deserialize)]
struct Done {
    detail: String,
}

/// What came of a decision, in one line.
pub(super) fn show_done(answer: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let Done { detail } = parse(answer)?;
    Ok(writeln!(out, "{}", printable(&detail))?)
}

pub(super) fn show_sources(answer: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let Answer { items, freshness, .. } = parse::<Answer<Value>>(answer)?;
    let names = ["source", "state", "position", "last", "lag", "message"];
    let members = ["name", "state", "position", "lastSequence", "lagSeconds", "message"];
    let rows: Vec<_> = items.iter().map(|one| members.map(|name| cell(&one[name].to_string())).to_vec()).collect();
    write_table(out, &names.map(str::to_owned), &rows)?;
    write_freshness(out, &freshness)
}

#[derive(Deserialize)]
struct Reloaded {
    changes: Vec<Change>,
    builds: Vec<Vec<String>>,
    #[serde(default)]
    waits: Vec<ToPromote>,
}

#[derive(Deserialize)]
struct Change {
    kind: String,
    name: String,
    change: String,
    #[serde(default)]
    detail: Option<String>,
}

/// Whether what was asked for serves, as far as it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    Serves,
    /// Something waits for a person: to be promoted, or for what it reads to go on.
    Waits,
}

/// Makes a daemon read its configuration again, and prints what changes.
///
/// # Errors
/// If the daemon does not answer, the configuration is not valid, the output cannot be written, or with `--wait` something
/// cannot be built.
pub fn reload(args: &ReloadArgs, out: &mut dyn Write) -> Result<Rollout, ClientError> {
    let ReloadArgs { wait, actor, connection } = args;
    change(&["v1", "admin", "reload"], &actor.body(), connection, wait.then_some(|_: &str| true), out)
}

/// Has a daemon build a projection again, with all that reads it.
///
/// # Errors
/// If the daemon does not answer or refuses, the output cannot be written, or with `--wait` something cannot be built.
pub fn rebuild(args: &RebuildArgs, out: &mut dyn Write) -> Result<Rollout, ClientError> {
    let RebuildArgs { name, from_timestamp, wait, actor, connection } = args;
    let mut body = actor.body();
    if let Some(from_timestamp) = from_timestamp {
        body["fromTimestamp"] = json!(from_timestamp);
    }
    let is_it = wait.then_some(|one: &str| one == name);
    change(&["v1", "admin", "projections", name, "rebuild"], &body, connection, is_it, out)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifiedAnswer {
    result: String,
    #[serde(default)]
    rows: u64,
    #[serde(default)]
    total: u64,
    #[serde(default)]
    differences: Vec<RowDifference>,
    #[serde(default)]
    reason: String,
    seconds: f64,
    share: String,
    /// Of what is built: all that is built with it.
    #[serde(default)]
    together: Vec<String>,
}

#[derive(Deserialize)]
struct RowDifference {
    key: String,
    fault: String,
    columns: Vec<String>,
}

/// Has a daemon recompute a projection in batch, and prints what differs.
///
/// # Errors
/// If the daemon does not answer or refuses, or the output cannot be written.
pub fn verify(args: &VerifyArgs, out: &mut dyn Write) -> Result<Verdict, ClientError> {
    Ok(verify_together(args, out)?.0)
}

/// The same, with what is built together, if that is what was verified.
fn verify_together(args: &VerifyArgs, out: &mut dyn Write) -> Result<(Verdict, Vec<String>), ClientError> {
    let VerifyArgs { name, share, built, connection } = args;
    let mut asked = json!({"built": built});
    if let Some(share) = share {
        asked["share"] = json!(share);
    }
    let body = Client::new(&connection.url).post(&["v1", "admin", "projections", name, "verify"], &asked)?;
    let answer: VerifiedAnswer = parse(&body)?;
    let verdict = match answer.result.as_str() {
        "equal" => Verdict::Equal,
        "different" => Verdict::Different,
        _ => Verdict::NotVerifiable,
    };
    if connection.json {
        writeln!(out, "{body}")?;
        return Ok((verdict, answer.together));
    }
    let seconds = answer.seconds;
    let of = match answer.share.as_str() {
        "1/1" => String::new(),
        share => format!(" in share {} of the keys", printable(share)),
    };
    match verdict {
        Verdict::Equal => writeln!(out, "equal{of}: the batch gives the same {} rows ({seconds:.1} s)", answer.rows)?,
        Verdict::NotVerifiable => writeln!(out, "not verifiable: {}", printable(&answer.reason))?,
        Verdict::Different => {
            for RowDifference { key, fault, columns } in &answer.differences {
                let columns = if columns.is_empty() { String::new() } else { format!(": {}", columns.join(", ")) };
                writeln!(out, "{} is {}{columns}", printable(key), fault.replace('-', " "))?;
            }
            let mended = if *built {
                "not promoted".to_owned()
            } else {
                format!("`readside projection rebuild {name}` mends it")
            };
            writeln!(out, "different{of}: {} keys; {mended}", answer.total)?;
        }
    }
    Ok((verdict, answer.together))
}

/// Ends what is built of a projection, rolls back to what it replaced, or retires that.
///
/// # Errors
/// If the daemon does not answer or refuses, or the output cannot be written.
pub fn decide_projection(args: &ProjectionVerbArgs, verb: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let ProjectionVerbArgs { name, actor, connection } = args;
    let done = Client::new(&connection.url).post(&["v1", "admin", "projections", name, verb], &actor.body())?;
    print(&done, connection, show_done, out)
}

/// Lets what was built of a projection take the place of what serves; if it was to be verified before, only where it is equal.
///
/// # Errors
/// If the daemon does not answer or refuses, or the output cannot be written.
pub fn promote(args: &PromoteArgs, out: &mut dyn Write) -> Result<Verdict, ClientError> {
    let PromoteArgs { name, allow_breaking, verify, actor, connection } = args;
    let mut left = if *verify { vec![name.clone()] } else { Vec::new() };
    let mut verified: Vec<String> = Vec::new();
    while let Some(name) = left.pop() {
        let args = VerifyArgs { name: name.clone(), share: None, built: true, connection: connection.clone() };
        if !connection.json {
            write!(out, "{name}: ")?;
        }
        let (verdict, together) = verify_together(&args, out)?;
        if verdict != Verdict::Equal {
            return Ok(verdict);
        }
        verified.push(name);
        left = together.into_iter().filter(|one| !verified.contains(one)).collect();
    }
    let mut body = actor.body();
    body["allowBreaking"] = json!(allow_breaking);
    let done = Client::new(&connection.url).post(&["v1", "admin", "projections", name, "promote"], &body)?;
    print(&done, connection, show_done, out)?;
    Ok(Verdict::Equal)
}

/// Asks for something that has projections built, and prints what changes. `waits` waits for them, and says which of those that
/// are not built now are wanted too.
fn change(
    path: &[&str],
    asked: &Value,
    connection: &Connection,
    waits: Option<impl Fn(&str) -> bool>,
    out: &mut dyn Write,
) -> Result<Rollout, ClientError> {
    let client = Client::new(&connection.url);
    let body = client.post(path, asked)?;
    let reloaded: Reloaded = parse(&body)?;
    if connection.json {
        writeln!(out, "{body}")?;
    } else {
        if reloaded.changes.is_empty() {
            writeln!(out, "nothing has changed")?;
        }
        for Change { kind, name, change, detail } in &reloaded.changes {
            let detail = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            writeln!(out, "{kind} {name} {change}{}", printable(&detail))?;
        }
        // Who waits for it is told how it differs.
        if waits.is_none() {
            show_to_promote(&reloaded.waits, out)?;
        }
    }
    let Some(is_wanted) = waits else { return Ok(Rollout::Serves) };
    let builds = reloaded.builds.concat();
    let declared = reloaded.changes.iter().filter(|one| one.kind == "projection" && one.change != "removed");
    let others: Vec<String> =
        declared.map(|one| &one.name).filter(|name| is_wanted(name) && !builds.contains(name)).cloned().collect();
    let waiting = wait(&client, &builds, &others)?;
    for Projection { name, build, .. } in &waiting {
        if !connection.json {
            show_waiting(name, build.as_ref(), out)?;
        }
    }
    Ok(if waiting.is_empty() { Rollout::Serves } else { Rollout::Waits })
}

/// Prints what was done to a daemon's projections, sources and parked events.
///
/// # Errors
/// If the daemon does not answer, or the output cannot be written.
pub fn history(args: &HistoryArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let size = args.limit.to_string();
    let answer = Client::new(&args.connection.url).get(&["v1", "history"], &[("pageSize", size.as_str())])?;
    print(&answer, &args.connection, show_steps, out)
}

fn show_steps(answer: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let Answer { items, freshness, .. } = parse::<Answer<Value>>(answer)?;
    let names = ["number", "at", "action", "subject", "from", "to", "actor", "reason", "revision"];
    // The last one is where people look.
    let steps = items.iter().rev();
    let rows: Vec<_> = steps.map(|step| names.map(|name| cell(&step[name].to_string())).to_vec()).collect();
    write_table(out, &names.map(str::to_owned), &rows)?;
    write_freshness(out, &freshness)
}
