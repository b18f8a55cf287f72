//! `readside generate`: what a daemon is watched with, from its configuration: rules, a dashboard, a runbook.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::Config;
use crate::generate::{Surroundings, dashboard, rules, runbook};

/// `readside generate`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside generate rules --out /etc/prometheus/readside.yaml --runbook https://wiki/readside\n  readside generate dashboard > readside.json\n  readside generate runbook --out runbook.md"
)]
pub(super) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Prometheus' recording and alert rules: one group for the projections of each owner, one for sources, one for the daemon
    Rules(WriteArgs),
    /// A dashboard for Grafana, in JSON
    Dashboard(WriteArgs),
    /// What each alert means, shows, and wants done, in Markdown
    Runbook(WriteArgs),
}

#[derive(Debug, Clone, Args)]
struct WriteArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Under which name Prometheus scrapes the daemons.
    #[arg(long, value_name = "NAME", default_value = "readside")]
    job: String,
    /// Who is told of sources, of the daemon, and of projections without an owner.
    #[arg(long, value_name = "NAME", default_value = "platform")]
    owner: String,
    /// Where the runbook is read, to which the alerts link.
    #[arg(long, value_name = "URL", default_value = "runbook.md")]
    runbook: String,
    /// Write it here instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "out")]
    force: bool,
}

pub(super) fn generate(args: &GenerateArgs) -> ExitCode {
    let (What::Rules(written) | What::Dashboard(written) | What::Runbook(written)) = &args.what;
    let Some(config) = read(written) else {
        return failed("nothing is written of a configuration that cannot be used; `readside validate` shows the same");
    };
    match text(&args.what, &config).and_then(|text| put(written, &text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// The configuration, if it can be used.
fn read(args: &WriteArgs) -> Option<Config> {
    match load_config(&args.config.config) {
        Ok(loaded) => Some(loaded.config),
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
            None
        }
    }
}

fn text(what: &What, config: &Config) -> Result<String, String> {
    let around = |args: &WriteArgs| {
        let WriteArgs { job, owner, runbook, .. } = args.clone();
        Surroundings { job, owner, runbook }
    };
    match what {
        What::Rules(args) => rules(config, &around(args)).map_err(|error| error.to_string()),
        What::Dashboard(args) => Ok(dashboard(&around(args))),
        What::Runbook(args) => Ok(runbook(config, &around(args))),
    }
}

fn put(args: &WriteArgs, text: &str) -> Result<(), String> {
    let Some(path) = &args.out else {
        print::line(text.trim_end());
        return Ok(());
    };
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => there_already(path),
        _ => format!("cannot write {}: {error}", path.display()),
    };
    let mut options = OpenOptions::new();
    options.write(true).truncate(args.force).create(args.force).create_new(!args.force);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

fn there_already(path: &Path) -> String {
    format!("{} is there already; name another file, or write over it with --force", path.display())
}
