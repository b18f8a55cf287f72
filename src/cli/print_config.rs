//! `readside print-config`: the configuration as it counts.

use std::process::ExitCode;

use clap::Args;

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::effective;

#[derive(Debug, Args)]
#[command(
    after_help = "What it prints is a configuration itself: all files in one, with defaults and the values of variables. Passwords and\ntokens are left out; what comes from a file stays as it is written, `${file:PATH}`.\n\nExamples:\n  readside print-config | less\n  diff <(readside print-config) <(readside print-config --config new/readside.yaml)"
)]
pub(super) struct PrintConfigArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn print_config(args: &PrintConfigArgs) -> ExitCode {
    let loaded = match load_config(&args.config.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            problems.iter().for_each(print::error_line);
            return ExitCode::FAILURE;
        }
    };
    match effective(&loaded) {
        Ok(text) => {
            print::line(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error.to_string()),
    }
}
