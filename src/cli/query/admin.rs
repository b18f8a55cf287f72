//! The verbs that change a running daemon, and the ledger of what they did.

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Answer, Client, ClientError, parse};
use super::show::{cell, printable, write_freshness, write_table};
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
    #[command(flatten)]
    pub actor: ActorArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection verify NAME`
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    pub name: String,
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

fn show_sources(answer: &str, out: &mut dyn Write) -> Result<(), ClientError> {
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
}

#[derive(Deserialize)]
struct Change {
    kind: String,
    name: String,
    change: String,
    #[serde(default)]
    detail: Option<String>,
}

/// What `GET /v1/projections` says of a build.
#[derive(Deserialize)]
struct Projection {
    name: String,
    #[serde(default)]
    build: Option<Build>,
}

#[derive(Deserialize)]
struct Build {
    state: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    comparison: Option<Compared>,
    sources: std::collections::BTreeMap<String, Progress>,
}

/// How what was built differs from what serves.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    equal: bool,
    rows_before: u64,
    rows_now: u64,
    only_before: u64,
    only_now: u64,
    otherwise: u64,
    #[serde(default)]
    not_compared: Vec<String>,
    #[serde(default)]
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
struct Difference {
    key: String,
    difference: String,
    #[serde(default)]
    columns: std::collections::BTreeMap<String, [Option<String>; 2]>,
}

#[derive(Deserialize)]
struct Progress {
    position: u64,
    target: u64,
}

/// Whether what was asked for serves, as far as it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    Serves,
    /// It is there, and waits to be promoted.
    Waits,
}

/// Makes a daemon read its configuration again, and prints what changes.
///
/// # Errors
/// If the daemon does not answer, the configuration is not valid, the output cannot be written, or with `--wait` something
/// cannot be built.
pub fn reload(args: &ReloadArgs, out: &mut dyn Write) -> Result<Rollout, ClientError> {
    let ReloadArgs { wait, actor, connection } = args;
    change(&["v1", "admin", "reload"], actor, connection, *wait, out)
}

/// Has a daemon build a projection again, with all that reads it.
///
/// # Errors
/// If the daemon does not answer or refuses, the output cannot be written, or with `--wait` something cannot be built.
pub fn rebuild(args: &RebuildArgs, out: &mut dyn Write) -> Result<Rollout, ClientError> {
    let RebuildArgs { name, wait, actor, connection } = args;
    change(&["v1", "admin", "projections", name, "rebuild"], actor, connection, *wait, out)
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
    let VerifyArgs { name, connection } = args;
    let body = Client::new(&connection.url).post(&["v1", "admin", "projections", name, "verify"], &json!({}))?;
    let answer: VerifiedAnswer = parse(&body)?;
    let verdict = match answer.result.as_str() {
        "equal" => Verdict::Equal,
        "different" => Verdict::Different,
        _ => Verdict::NotVerifiable,
    };
    if connection.json {
        writeln!(out, "{body}")?;
        return Ok(verdict);
    }
    let seconds = answer.seconds;
    match verdict {
        Verdict::Equal => writeln!(out, "equal: the batch gives the same {} rows ({seconds:.1} s)", answer.rows)?,
        Verdict::NotVerifiable => writeln!(out, "not verifiable: {}", printable(&answer.reason))?,
        Verdict::Different => {
            for RowDifference { key, fault, columns } in &answer.differences {
                let columns = if columns.is_empty() { String::new() } else { format!(": {}", columns.join(", ")) };
                writeln!(out, "{} is {fault}{columns}", printable(key))?;
            }
            writeln!(out, "different: {} keys; `readside projection rebuild {name}` mends it", answer.total)?;
        }
    }
    Ok(verdict)
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

/// Lets what was built of a projection take the place of what serves.
///
/// # Errors
/// If the daemon does not answer or refuses, or the output cannot be written.
pub fn promote(args: &PromoteArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let PromoteArgs { name, allow_breaking, actor, connection } = args;
    let mut body = actor.body();
    body["allowBreaking"] = json!(allow_breaking);
    let done = Client::new(&connection.url).post(&["v1", "admin", "projections", name, "promote"], &body)?;
    print(&done, connection, show_done, out)
}

/// Asks for something that has projections built, and prints what changes.
fn change(
    path: &[&str],
    actor: &ActorArgs,
    connection: &Connection,
    waits: bool,
    out: &mut dyn Write,
) -> Result<Rollout, ClientError> {
    let client = Client::new(&connection.url);
    let body = client.post(path, &actor.body())?;
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
    }
    if !waits {
        return Ok(Rollout::Serves);
    }
    let waiting = wait(&client, &reloaded.builds.concat())?;
    for Projection { name, build } in &waiting {
        if !connection.json {
            show_waiting(name, build.as_ref(), out)?;
        }
    }
    Ok(if waiting.is_empty() { Rollout::Serves } else { Rollout::Waits })
}

/// Differences that are printed one by one; status has more.
const SHOWN: usize = 10;

/// What waits to be promoted, and how it differs from what serves.
fn show_waiting(name: &str, build: Option<&Build>, out: &mut dyn Write) -> Result<(), ClientError> {
    let message = build.and_then(|build| build.message.as_deref()).unwrap_or("it waits");
    writeln!(out, "{name} is built: {}", printable(message))?;
    let Some(compared) = build.and_then(|build| build.comparison.as_ref()) else { return Ok(()) };
    let Compared { rows_before, rows_now, only_before, only_now, otherwise, .. } = compared;
    if compared.equal {
        return Ok(writeln!(out, "  its {rows_now} rows are those that serve")?);
    }
    writeln!(
        out,
        "  {rows_before} rows serve, and it has {rows_now}: {only_before} keys are gone, {only_now} are new, {otherwise} have \
         other values"
    )?;
    if !compared.not_compared.is_empty() {
        writeln!(out, "  not compared: {}", compared.not_compared.join(", "))?;
    }
    for Difference { key, difference, columns } in compared.differences.iter().take(SHOWN) {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        let values = columns.iter().map(|(name, [before, now])| format!(" {name} {} → {}", cell(before), cell(now)));
        writeln!(out, "  {} {difference}{}", printable(key), printable(&values.collect::<Vec<_>>().join(",")))?;
    }
    Ok(())
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until these projections are there as they are declared, and gives those that wait to be promoted.
fn wait(client: &Client, names: &[String]) -> Result<Vec<Projection>, ClientError> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} ({per_sec}, {eta})") {
        bar.set_style(style);
    }
    loop {
        let body = client.get(&["v1", "projections"], NO_QUERY)?;
        let all: Vec<Projection> = parse::<Answer<Projection>>(&body)?.items;
        let built: Vec<Projection> =
            all.into_iter().filter(|one| one.build.is_some() && names.contains(&one.name)).collect();
        let failed =
            built.iter().find_map(|one| Some((one, one.build.as_ref().filter(|build| build.state == "failed")?)));
        if let Some((projection, build)) = failed {
            bar.abandon();
            let message = build.message.as_deref().unwrap_or("its build has failed");
            return Err(ClientError::Build { name: projection.name.clone(), message: message.to_owned() });
        }
        let shadows = |one: &Projection| one.build.as_ref().is_some_and(|build| build.state == "shadowing");
        if built.iter().all(shadows) {
            bar.finish_and_clear();
            return Ok(built);
        }
        let sources = built.iter().filter_map(|one| one.build.as_ref()).flat_map(|build| build.sources.values());
        let (position, target) =
            sources.fold((0, 0), |(position, target), one| (position + one.position, target + one.target));
        bar.set_length(target);
        bar.set_position(position);
        bar.set_message(built.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "));
        std::thread::sleep(LOOK_EVERY);
    }
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
