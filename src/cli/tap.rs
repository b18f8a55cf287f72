//! `readside tap`: the events of a source as they come, decoded as its projections see them, or what they change of a projection.

mod changes;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::{Config, Diagnostic, ProjectionKind, Source, SourceKind};
use crate::source::{BatchLimits, Input, Source as Opened, Start, last_sequence, open};
use crate::trial::{Tap, TappedRun};

/// `readside tap SOURCE|PROJECTION`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside tap orders --filter type=OrderPlaced --limit 10\n  readside tap customers --filter customer_id=c1"
)]
pub(super) struct TapArgs {
    /// A source, for its events; or a table or search index, for its changes, which are computed from all events.
    #[arg(value_name = "SOURCE|PROJECTION")]
    name: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Begin with this sequence [default: what comes from now on].
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    /// Print only events with this value: of a column, or of type, version, id, key, time, publishedAt, subject; only changes of
    /// rows with this value; may be repeated.
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    filters: Vec<String>,
    /// End after so many lines.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// End at the last event that is there now.
    #[arg(long, requires = "from")]
    once: bool,
}

/// Why printing ends.
enum Ends {
    /// All that was asked for is printed, or nobody reads it.
    Done,
    Failed(String),
}

impl Ends {
    /// The reader of a pipe has seen enough.
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Ends::Done,
            _ => Ends::Failed(format!("cannot print: {error}")),
        }
    }
}

pub(super) fn tap(args: &TapArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let config = loaded(&args.config.config)?;
        runtime.block_on(print_all(args, &config))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn loaded(root: &str) -> Result<Config, String> {
    let told = |found: Vec<Diagnostic>| {
        found.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
        format!("{root} cannot be used")
    };
    Ok(load_config(root).map_err(told)?.config)
}

async fn print_all(args: &TapArgs, config: &Config) -> Result<(), String> {
    let filters = filters(&args.filters)?;
    let projection = config.projections.iter().find(|projection| projection.name == args.name);
    let source = config.sources.iter().find(|source| source.schema.source == args.name);
    let source = match (source, projection) {
        (Some(source), _) => source,
        (None, Some(projection)) if projection.kind == ProjectionKind::View => {
            return Err(format!(
                "`{}` is a view, which is computed for each query: tap a table that it reads",
                args.name
            ));
        }
        (None, Some(_)) => return changes::print_changes(args, config, &filters).await,
        (None, None) => {
            let sources = config.sources.iter().map(|source| source.schema.source.as_str());
            let names = sources.chain(config.projections.iter().map(|projection| projection.name.as_str()));
            let names: Vec<&str> = names.collect();
            return Err(format!("`{}` is no source and no projection; there are {}", args.name, names.join(", ")));
        }
    };
    let nats = config.nats.as_ref();
    let mut tap = Tap::new(source).map_err(|problems| {
        let first = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        format!("source `{}` cannot be decoded: {first}; `readside validate` says where", args.name)
    })?;
    let last = last_sequence(source, nats).await?;
    let after = args.from.map_or(last, |from| from - 1);
    if args.once && after >= last {
        return Ok(());
    }
    let mut opened = opened(args, source, config, after)?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut out = io::stdout();
    loop {
        let covered = match opened.next().await {
            Input::Fetched { mut messages, covered, .. } => {
                if args.once {
                    messages.retain(|message| message.seq <= last);
                }
                let run = tap.take(&messages).map_err(|error| error.to_string())?;
                match print_run(run, &filters, &mut left, &mut out) {
                    Ok(()) => covered,
                    Err(Ends::Done) => return Ok(()),
                    Err(Ends::Failed(why)) => return Err(why),
                }
            }
            Input::Heartbeat { covered, .. } => covered,
            Input::Opened { .. } | Input::Known { .. } | Input::Ends { .. } | Input::Retains { .. } => continue,
            Input::Lost { losses } => {
                print::error_line(format_args!("{losses} vanished from the stream before they were read"));
                continue;
            }
            Input::Disconnected { message } if !args.once => {
                print::error_line(message);
                continue;
            }
            Input::Disconnected { message } | Input::Halted { message, .. } => return Err(message),
            Input::End => return Ok(()),
        };
        if args.once && covered >= last {
            return Ok(());
        }
    }
}

/// Opens a source behind a sequence, to be read on as long as that is asked for.
fn opened(args: &TapArgs, source: &Source, config: &Config, after: u64) -> Result<Box<dyn Opened>, String> {
    let mut followed: Source = source.clone();
    if let SourceKind::File { follow, .. } = &mut followed.input {
        *follow = !args.once;
    }
    let start = Start { after, ..Start::default() };
    open(&followed, config.nats.as_ref(), start, BatchLimits::default()).map_err(|error| error.to_string())
}

fn print_run(run: TappedRun, filters: &[(&str, &str)], left: &mut u64, out: &mut dyn Write) -> Result<(), Ends> {
    for event in run.events {
        if !filters.iter().all(|(name, value)| event.has(name, value)) {
            continue;
        }
        line(&event, left, out)?;
    }
    out.flush().map_err(Ends::of)?;
    match run.halted {
        Some(why) => Err(Ends::Failed(format!("the source would halt here: {why}"))),
        None => Ok(()),
    }
}

/// Prints one line, unless that was the last one.
fn line(shown: &impl Serialize, left: &mut u64, out: &mut dyn Write) -> Result<(), Ends> {
    let line = serde_json::to_string(shown).map_err(|error| Ends::Failed(error.to_string()))?;
    writeln!(out, "{line}").map_err(Ends::of)?;
    *left -= 1;
    match *left {
        0 => Err(Ends::Done),
        _ => Ok(()),
    }
}

fn filters(texts: &[String]) -> Result<Vec<(&str, &str)>, String> {
    texts.iter().map(|text| text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))).collect()
}
