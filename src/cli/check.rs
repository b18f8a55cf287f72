//! `readside check`: what a daemon needs of its surroundings, before it is started or beside it.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::files::load_config;
use super::{ConfigArgs, chain, failed, print};
use crate::check::{Checked, Outcome, check};

/// The exit code of findings.
const FINDINGS: u8 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "`√` is fine, `!` works but will not always, `×` does not work, `?` could not be looked at. Exit codes: 0 nothing is `×` or `?`,\n2 something is `×`, 1 something could not be looked at. Nothing is changed: what is written for a look is removed again.\n\nExamples:\n  readside check\n  readside check --config config/readside.yaml --events 10000\n  readside check --json"
)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How many of the last events of each source are decoded; 0 for none.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    events: usize,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// The same as `--output json`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let loaded = match load_config(&args.config.config) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
            return failed("the configuration cannot be used; `readside validate` shows the same");
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&chain(&error)),
    };
    let checked = runtime.block_on(check(&loaded.config, args.events));
    runtime.shutdown_background();
    let worst = checked.iter().map(|one| one.outcome).max().unwrap_or(Outcome::Fine);
    if args.json || args.output == Form::Json {
        match serde_json::to_string_pretty(&json!({"outcome": worst, "checks": checked})) {
            Ok(text) => print::line(text),
            Err(error) => return failed(&error.to_string()),
        }
    } else {
        checked.iter().for_each(show);
    }
    match worst {
        Outcome::Fine | Outcome::Warning => ExitCode::SUCCESS,
        Outcome::Unknown => ExitCode::FAILURE,
        Outcome::Wrong => ExitCode::from(FINDINGS),
    }
}

fn show(checked: &Checked) {
    let sign = match checked.outcome {
        Outcome::Fine => '√',
        Outcome::Warning => '!',
        Outcome::Unknown => '?',
        Outcome::Wrong => '×',
    };
    print::line(format_args!("{sign} {}: {}", checked.subject, checked.told));
    if !checked.advice.is_empty() {
        print::line(format_args!("    {}", checked.advice));
    }
}
