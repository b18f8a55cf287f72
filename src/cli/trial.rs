//! `readside try`: what a projection's SELECT gives over some events, before it is declared.

mod events;
mod show;

use std::process::ExitCode;

use clap::Args;

use self::events::read;
use self::show::show;
use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::{Diagnostic, Loaded};
use crate::plan::Program;
use crate::progress::SourceName;
use crate::trial::{self, Outcome, Refused};

/// What a diagnostic calls the text from the command line.
const ARGUMENT: &str = "SQL";

/// `readside try SQL`
#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// A SELECT over the sources and projections of the configuration, as it would be declared.
    sql: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Take the events of this file in the place of what a source reads; SOURCE=FILE where the SQL reads several.
    #[arg(long, value_name = "[SOURCE=]FILE")]
    events: Vec<String>,
    /// Read this source alone, where the SQL reads several.
    #[arg(long)]
    source: Option<String>,
    /// How many events of each source are read: its newest; all of a file that is given [default: 1000].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// The columns that tell rows apart, as `key` would declare them [default: as few as are proven to, or else all].
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    key: Vec<String>,
    /// Show what changes with each event, one by one.
    #[arg(long)]
    deltas: bool,
    /// Print what comes of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 fine, 1 error, 2 the rows are not those of all events, because the SQL fails over some, or a source halts.
pub(super) fn attempt(args: &TryArgs) -> ExitCode {
    match tried(args) {
        Err(error) => failed(&error),
        Ok(None) => failed("the SQL cannot be a projection's"),
        Ok(Some(outcome)) => {
            let shown = match args.json {
                true => serde_json::to_string_pretty(&outcome).map(print::line).map_err(|error| error.to_string()),
                false => match show(&outcome, &mut std::io::stdout()) {
                    Err(error) if error.is_closed_pipe() => Ok(()),
                    shown => shown.map_err(|error| error.to_string()),
                },
            };
            match shown {
                Err(error) => failed(&error),
                Ok(()) if outcome.is_whole() => ExitCode::SUCCESS,
                Ok(()) => ExitCode::from(2),
            }
        }
    }
}

/// What comes of it; none if the SQL is not accepted, which is told.
fn tried(args: &TryArgs) -> Result<Option<Outcome>, String> {
    let unusable = || format!("{} cannot be used", args.config.config);
    let loaded = load_config(&args.config.config).map_err(|diagnostics| {
        tell(&diagnostics);
        unusable()
    })?;
    let program = match trial::tried(&loaded.config, &args.sql, &args.key) {
        Ok(program) => program,
        Err(Refused::Configuration(problems)) => {
            tell(&problems.iter().map(|problem| loaded.places.diagnostic(problem)).collect::<Vec<_>>());
            return Err(unusable());
        }
        Err(Refused::Sql(problems)) => {
            let in_sql = problems.iter().map(|problem| Diagnostic::in_text(ARGUMENT, &args.sql, problem));
            tell(&in_sql.collect::<Vec<_>>());
            return Ok(None);
        }
    };
    let given = given(args, &loaded, &program)?;
    let now_us = chrono::Utc::now().timestamp_micros();
    let outcome = trial::attempt(program, &loaded.config, given, args.deltas, now_us);
    outcome.map(Some).map_err(|error| error.to_string())
}

fn given(args: &TryArgs, loaded: &Loaded, program: &Program) -> Result<trial::Given, String> {
    let read_by_sql: Vec<SourceName> =
        program.sources.iter().map(|source| source.config.schema.source.as_str().into()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(read(args, &loaded.config, &read_by_sql))
}

fn tell(diagnostics: &[Diagnostic]) {
    diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
}
