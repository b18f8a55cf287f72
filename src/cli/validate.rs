//! `readside validate`: everything that is wrong with a configuration, at once; and if nothing is, what it will keep.

use std::process::ExitCode;

use clap::Args;

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::{Config, Diagnostic};
use crate::plan::{PlannedProjection, Program, program};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the diagnostics as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn validate(args: &ValidateArgs) -> ExitCode {
    let (checked, diagnostics) = check(&args.config.config);
    if args.json {
        match serde_json::to_string_pretty(&diagnostics) {
            Ok(text) => print::line(text),
            Err(error) => return failed(&error.to_string()),
        }
    } else {
        diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
    }
    let Some((config, mut program)) = checked else {
        return failed(&format!("{} cannot be used", args.config.config));
    };
    if !args.json {
        let number = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let (sources, projections) =
            (number(config.sources.len(), "source"), number(config.projections.len(), "projection"));
        print::line(format_args!("{}: {sources} and {projections}, nothing is wrong", args.config.config));
        program.share();
        print_state(&program);
    }
    ExitCode::SUCCESS
}

/// What the operators of each projection keep, beside its own rows, and what that grows with.
fn print_state(program: &Program) {
    for planned in &program.projections {
        print::line(format_args!("  {}: {}", planned.config.name, key_of(planned)));
        for operator in planned.compiled.circuit.report() {
            if let Some(grows_with) = operator.grows_with {
                let shared = match operator.shared_with.as_slice() {
                    [] => String::new(),
                    others => format!(", shared with `{}`", others.join("`, `")),
                };
                print::line(format_args!("    {} keeps state that grows with {grows_with}{shared}", operator.name));
            }
        }
    }
}

/// The columns that tell rows apart, and whether that follows from the query.
fn key_of(planned: &PlannedProjection) -> String {
    let schema = &planned.compiled.schema;
    let names: Vec<&str> = schema.key.iter().map(|&column| schema.schema.field(column).name().as_str()).collect();
    let proven =
        planned.compiled.unique.as_ref().is_some_and(|unique| unique.iter().all(|one| schema.key.contains(one)));
    let checked = if proven { "the query proves it" } else { "checked with every commit" };
    match names.as_slice() {
        [] => format!("one row; {checked}"),
        names => format!("a row for each {}; {checked}", names.join(", ")),
    }
}

/// All diagnostics, and the configuration if it can be used.
fn check(root: &str) -> (Option<(Config, Program)>, Vec<Diagnostic>) {
    match load_config(root) {
        Err(diagnostics) => (None, diagnostics),
        Ok(loaded) => {
            let mut diagnostics = loaded.warnings;
            match program(&loaded.config) {
                Ok(program) => (Some((loaded.config, program)), diagnostics),
                Err(problems) => {
                    diagnostics.extend(problems.iter().map(|problem| loaded.places.diagnostic(problem)));
                    (None, diagnostics)
                }
            }
        }
    }
}
