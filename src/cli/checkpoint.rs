//! `readside checkpoint`: what a data directory has, whether it is whole, and copies of it, with a daemon there or without.

mod show;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use self::show::{amount, described, show_inspected, show_list, to_json};
use super::files::load_config;
use super::{ConfigArgs, chain, failed, print};
use crate::checkpoint::{CopyError, Found, Place, copy, inspect, list};

/// Exit codes of findings, and of what a guard has refused.
const FINDINGS: u8 = 2;
const REFUSED: u8 = 3;

const PROGRESS_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    #[command(subcommand)]
    command: CheckpointCommand,
}

#[derive(Debug, Subcommand)]
enum CheckpointCommand {
    /// The checkpoints of a data directory: when, at which cut, how large, with which projections
    List(ListArgs),
    /// Read every object of the checkpoints and compare it with its checksum: exit code 0 whole, 2 damaged
    Verify(VerifyArgs),
    /// Copy the newest checkpoint into an empty place, while the daemon runs or not
    Export(ExportArgs),
    /// Copy an export into the data directory, which has to be empty (exit code 3 if it is not)
    Import(ImportArgs),
}

/// Where the checkpoints are.
#[derive(Debug, Args)]
struct PlaceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// This data directory in place of the configuration's: a folder, or a URL (s3://, gs://, az://) that is reached as the
    /// environment says. No configuration is read then.
    #[arg(long, value_name = "PLACE")]
    data_dir: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside checkpoint list\n  readside checkpoint list --data-dir /backups/monday --json\n  readside checkpoint list --data-dir s3://shop/readside"
)]
struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A damaged checkpoint is no reason to stop a daemon that runs: what it writes next is whole.\n\nExamples:\n  readside checkpoint verify\n  readside checkpoint verify --number 4711\n  readside checkpoint verify --data-dir /backups/monday"
)]
struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only the checkpoint of this number.
    #[arg(long)]
    number: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The copy is a data directory itself: it can be listed, verified, compared (`readside plan --data-dir`), packed, and a daemon\ncan be started on a copy of it. It is read once more before the verb ends.\n\nExamples:\n  readside checkpoint export /backups/monday\n  readside checkpoint export s3://backups/readside/monday\n  readside checkpoint export --data-dir s3://shop/readside ./copy && tar -C copy -cf copy.tar ."
)]
struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// A folder that is empty or not there, or the URL of an empty place.
    to: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Start a daemon afterwards: it goes on from the cut of the export, and reads from its streams what came since.\n\nExamples:\n  readside checkpoint import /backups/monday\n  readside checkpoint import s3://backups/readside/monday --data-dir ./data"
)]
struct ImportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// What `readside checkpoint export` wrote, or any other data directory.
    from: String,
}

pub(super) fn checkpoint(args: &CheckpointArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&chain(&error)),
    };
    let outcome = runtime.block_on(async {
        match &args.command {
            CheckpointCommand::List(args) => list_of(args).await,
            CheckpointCommand::Verify(args) => verify(args).await,
            CheckpointCommand::Export(args) => {
                let place = args.place.place()?;
                copy_between(&place, &args.place.beside(&args.to)?, args.place.json).await
            }
            CheckpointCommand::Import(args) => {
                let place = args.place.place()?;
                copy_between(&args.place.beside(&args.from)?, &place, args.place.json).await
            }
        }
    });
    outcome.unwrap_or_else(|error| failed(&error))
}

impl PlaceArgs {
    fn place(&self) -> Result<Place, String> {
        match &self.data_dir {
            Some(location) => Ok(location.into()),
            None => self.configured(),
        }
    }

    /// Another place, reached as the data directory is.
    fn beside(&self, location: &str) -> Result<Place, String> {
        match self.data_dir {
            Some(_) => Ok(location.into()),
            None => Ok(Place { location: location.to_owned(), ..self.configured()? }),
        }
    }

    fn configured(&self) -> Result<Place, String> {
        let loaded = load_config(&self.config.config).map_err(|problems| {
            problems.iter().for_each(|problem| print::error_line(format_args!("{problem}\n")));
            format!("{} cannot be used; name the place itself: --data-dir", self.config.config)
        })?;
        Ok(Place::new(&loaded.config.data_dir, &loaded.config.object_store))
    }
}

async fn list_of(args: &ListArgs) -> Result<ExitCode, String> {
    let place = args.place.place()?;
    let found = list(&place).await.map_err(|error| chain(&error))?;
    if args.place.json {
        let checkpoints: Vec<Value> = found.iter().map(described).collect();
        print_json(&json!({"place": place.location, "checkpoints": checkpoints}))?;
    } else if found.is_empty() {
        print::line(format_args!("no checkpoint in {place}"));
    } else {
        show_list(&found, &mut std::io::stdout()).map_err(|error| error.to_string())?;
    }
    let is_whole = found.iter().all(|found| matches!(found, Found::Whole(_)));
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

async fn verify(args: &VerifyArgs) -> Result<ExitCode, String> {
    let place = args.place.place()?;
    let inspected = inspect(&place, args.number).await.map_err(|error| chain(&error))?;
    if inspected.is_empty() {
        let which = args.number.map_or_else(|| "no checkpoint".to_owned(), |number| format!("no checkpoint {number}"));
        return Err(format!("there is {which} in `{place}`; `readside checkpoint list` shows what there is"));
    }
    if args.place.json {
        print_json(
            &json!({"place": place.location, "checkpoints": inspected.iter().map(to_json).collect::<Vec<_>>()}),
        )?;
    } else {
        inspected.iter().for_each(show_inspected);
    }
    let is_whole = inspected.iter().all(|one| one.damage.is_empty());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

async fn copy_between(from: &Place, to: &Place, as_json: bool) -> Result<ExitCode, String> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} ({bytes_per_sec}, {eta})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(PROGRESS_EVERY);
    let told = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let copied = copy(from, to, &told).await;
    bar.finish_and_clear();
    let copied = match copied {
        Ok(copied) => copied,
        Err(error @ CopyError::NotEmpty(_)) => {
            let _ = failed(&chain(&error));
            return Ok(ExitCode::from(REFUSED));
        }
        Err(error) => return Err(chain(&error)),
    };
    let manifest = &copied.manifest;
    let checkpoint = described(&Found::Whole(Box::new(manifest.clone())));
    if as_json {
        let told = json!({"from": from.location, "to": to.location, "objects": copied.objects, "bytes": copied.bytes, "checkpoint": checkpoint});
        print_json(&told)?;
    } else {
        print::line(format_args!(
            "checkpoint {} of {from} is in {to}: {} objects, {}, every byte read again",
            manifest.number,
            copied.objects,
            amount(copied.bytes)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(value: &Value) -> Result<(), String> {
    serde_json::to_string_pretty(value).map(print::line).map_err(|error| error.to_string())
}
