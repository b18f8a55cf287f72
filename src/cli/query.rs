//! The verbs that ask a running daemon: `query`, `search`, `projection list`, `projection status`, `parked`, `source`,
//! `reload` and `history`.
//!
//! They speak HTTP like any other reader. What is printed are the daemon's items as an aligned table, or with `--json`
//! its answer as it is.

mod admin;
mod client;
mod item;
mod parked;
mod show;
mod top;
mod waiting;

pub use admin::{
    ActorArgs, HistoryArgs, ProjectionVerbArgs, PromoteArgs, RebuildArgs, ReloadArgs, Rollout, SourceArgs,
    SourceCommand, SourceVerbArgs, Verdict, VerifyArgs, decide_projection, history, promote, rebuild, reload, source,
    verify,
};
pub use client::{Client, ClientError};
pub use item::show_item;
pub use parked::{DiscardArgs, ParkedArgs, ParkedCommand, ParkedListArgs, ParkedShowArgs, parked};
pub(in crate::cli) use show::{Cell, cells_of, count, printable, write_table};
pub use show::{show_hits, show_items};
pub use top::{TopArgs, top};

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use self::show::show_projections;

/// Which daemon, and in what form.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The daemon's address. Where it asks for a token, READSIDE_TOKEN has one.
    #[arg(long, env = "READSIDE_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What the answer has to contain.
#[derive(Debug, Clone, Default, Args)]
pub struct DemandArgs {
    /// Positions that the answer has to contain: SOURCE:SEQUENCE, several with commas.
    #[arg(long, value_name = "SOURCE:SEQUENCE")]
    pub min_position: Option<String>,
    /// How old the answer may be, as in 5s.
    #[arg(long, value_name = "TIME")]
    pub max_lag: Option<String>,
    /// Refuse an answer to which an event may belong that is parked, or vanished before it was read.
    #[arg(long)]
    pub complete: bool,
    /// How long to wait until that holds, as in 2s.
    #[arg(long)]
    pub wait: Option<String>,
}

/// `readside query SQL`
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// A query over projections.
    pub sql: String,
    /// A value for $NAME in the SQL: JSON, or else text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// Read projections together of which one is paused, failed or building, so that their rows are of different cuts.
    #[arg(long)]
    pub mixed_cuts: bool,
    #[command(flatten)]
    pub demand: DemandArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside search NAME [QUERY]`
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// A projection of kind search.
    pub name: String,
    /// A query: words, "phrases", prefix*, column:word, AND, OR, NOT.
    #[arg(required_unless_present_any = ["text", "like", "vector"])]
    pub query: Option<String>,
    /// What somebody types into a search box: all words, the last one as a beginning, typing errors and missing accents
    /// forgiven. Beside a query, both must hold.
    #[arg(long, allow_hyphen_values = true)]
    pub text: Option<String>,
    /// Documents like the one of this key.
    #[arg(long, value_name = "KEY")]
    pub like: Option<String>,
    /// What is near to this vector, alone or in one order with what words find: numbers with commas between them.
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    pub vector: Option<String>,
    /// How many of the nearest count, and of what words find (100 by default).
    #[arg(long, requires = "vector")]
    pub k: Option<u32>,
    /// A filter, such as status=READY or total.gte=10.
    #[arg(long = "filter", value_name = "COLUMN=VALUE")]
    pub filters: Vec<String>,
    /// Count the hits by the values of these columns.
    #[arg(long = "facet", value_name = "COLUMN", value_delimiter = ',')]
    pub facets: Vec<String>,
    /// Instead of the best match first: columns, each with a `-` before it to descend.
    #[arg(long, value_name = "COLUMN,…", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// Most hits to print.
    #[arg(long)]
    pub limit: Option<u32>,
    #[command(flatten)]
    pub demand: DemandArgs,
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection list`
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub connection: Connection,
}

/// `readside projection status NAME`
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    pub name: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// Runs SQL on a daemon and prints the rows.
///
/// # Errors
/// If the daemon does not answer, refuses the SQL, or the output cannot be written.
pub fn query(args: &QueryArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut params = serde_json::Map::new();
    for text in &args.params {
        let (name, value) = assignment(text)?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        params.insert(name.to_owned(), value);
    }
    let demand = &args.demand;
    let mut body = json!({
        "sql": args.sql,
        "minPosition": demand.min_position,
        "maxLag": demand.max_lag,
        "onIncomplete": demand.complete.then_some("fail"),
        "wait": demand.wait,
    });
    if !params.is_empty() {
        body["params"] = Value::Object(params);
    }
    if args.mixed_cuts {
        body["mixedCuts"] = json!("allow");
    }
    let answer = Client::new(&args.connection.url).post(&["v1", "sql"], &body)?;
    print(&answer, &args.connection, show_items, out)
}

/// Searches an index of a daemon and prints the hits.
///
/// # Errors
/// If the daemon does not answer, refuses the search, or the output cannot be written.
pub fn search(args: &SearchArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut query = vec![("highlight", "true".to_owned())];
    for text in &args.filters {
        let (name, value) = assignment(text)?;
        query.push((name, value.to_owned()));
    }
    let facets = (!args.facets.is_empty()).then(|| args.facets.join(","));
    let limit = args.limit.map(|limit| limit.to_string());
    let DemandArgs { min_position, max_lag, complete, wait } = args.demand.clone();
    let optional = [
        ("q", args.query.clone()),
        ("text", args.text.clone()),
        ("like", args.like.clone()),
        ("vector", args.vector.clone()),
        ("k", args.k.map(|k| k.to_string())),
        ("facet", facets),
        ("sort", args.sort.clone()),
        ("pageSize", limit),
        ("minPosition", min_position),
        ("maxLag", max_lag),
        ("onIncomplete", complete.then(|| "fail".to_owned())),
        ("wait", wait),
    ];
    query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let (client, path) = (Client::new(&args.connection.url), ["v1", "search", &args.name]);
    // A URL has no room for long vectors.
    let answer = if args.vector.is_some() { client.post_parameters(&path, &query) } else { client.get(&path, &query) };
    print(&answer?, &args.connection, show_hits, out)
}

/// Prints the state of every projection.
///
/// # Errors
/// If the daemon does not answer, or the output cannot be written.
pub fn projection_list(args: &ListArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let answer = Client::new(&args.connection.url).get(&["v1", "projections"], NO_QUERY)?;
    print(&answer, &args.connection, show_projections, out)
}

/// Prints all that a daemon says of one projection.
///
/// # Errors
/// If the daemon does not answer, knows no such projection, or the output cannot be written.
pub fn projection_status(args: &StatusArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let answer = Client::new(&args.connection.url).get(&["v1", "projections", &args.name], NO_QUERY)?;
    print(&answer, &args.connection, show_item, out)
}

const NO_QUERY: &[(&str, &str)] = &[];

fn print(
    answer: &str,
    connection: &Connection,
    show: fn(&str, &mut dyn Write) -> Result<(), ClientError>,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    if connection.json { Ok(writeln!(out, "{answer}")?) } else { show(answer, out) }
}

fn assignment(text: &str) -> Result<(&str, &str), ClientError> {
    text.split_once('=').ok_or_else(|| ClientError::Assignment(text.to_owned()))
}
