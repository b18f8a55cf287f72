//! `readside validate`: everything that is wrong with a configuration, at once.

use std::process::ExitCode;

use clap::Args;

use super::files::load_config;
use super::{ConfigArgs, failed};
use crate::config::{Config, Diagnostic};
use crate::plan::program;

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the diagnostics as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn validate(args: &ValidateArgs) -> ExitCode {
    let (config, diagnostics) = check(&args.config.config);
    if args.json {
        match serde_json::to_string_pretty(&diagnostics) {
            Ok(text) => println!("{text}"),
            Err(error) => return failed(&error.to_string()),
        }
    } else {
        diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}\n"));
    }
    let Some(config) = config else {
        return failed(&format!("{} cannot be used", args.config.config));
    };
    if !args.json {
        let (sources, projections) = (config.sources.len(), config.projections.len());
        println!("{}: {sources} sources and {projections} projections are fine", args.config.config);
    }
    ExitCode::SUCCESS
}

/// All diagnostics, and the configuration if it can be used.
fn check(root: &str) -> (Option<Config>, Vec<Diagnostic>) {
    match load_config(root) {
        Err(diagnostics) => (None, diagnostics),
        Ok(loaded) => {
            let mut diagnostics = loaded.warnings;
            match program(&loaded.config) {
                Ok(_) => (Some(loaded.config), diagnostics),
                Err(problems) => {
                    diagnostics.extend(problems.iter().map(|problem| loaded.places.diagnostic(problem)));
                    (None, diagnostics)
                }
            }
        }
    }
}
