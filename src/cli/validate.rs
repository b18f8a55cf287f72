//! `readside validate`: everything that is wrong with a configuration, at once; and if nothing is, what it will keep.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::{Config, Diagnostic};
use crate::plan::{Card, PlannedProjection, Program, cards, program};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  readside validate\n  readside validate customers\n  readside validate --json")]
pub(super) struct ValidateArgs {
    /// Projections and views of which all that is known is said: result, key, state, and how to verify and rebuild them.
    names: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the diagnostics, and what is known of each projection, as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Validated<'a> {
    diagnostics: &'a [Diagnostic],
    /// Empty where the configuration cannot be used.
    projections: Vec<Card>,
}

pub(super) fn validate(args: &ValidateArgs) -> ExitCode {
    let (mut checked, diagnostics) = check(&args.config.config);
    if let Some((_, program)) = &mut checked {
        program.share();
    }
    let mut projections = checked.as_ref().map_or_else(Vec::new, |(_, program)| cards(program));
    let unknown = args.names.iter().find(|name| projections.iter().all(|card| card.name != **name)).cloned();
    if !args.names.is_empty() {
        projections.retain(|card| args.names.contains(&card.name));
    }
    if args.json {
        match serde_json::to_string_pretty(&Validated { diagnostics: &diagnostics, projections }) {
            Ok(text) => print::line(text),
            Err(error) => return failed(&error.to_string()),
        }
    } else {
        diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
        projections.iter().filter(|_| !args.names.is_empty()).for_each(|card| print::line(format_args!("{card}\n")));
    }
    let Some((config, program)) = checked else {
        return failed(&format!("{} cannot be used", args.config.config));
    };
    if let Some(name) = unknown {
        return failed(&format!("there is no projection or view `{name}` in {}", args.config.config));
    }
    if !args.json && args.names.is_empty() {
        let number = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let (sources, projections) =
            (number(config.sources.len(), "source"), number(config.projections.len(), "projection"));
        print::line(format_args!("{}: {sources} and {projections}, nothing is wrong", args.config.config));
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
    let proven = planned.compiled.key_proof.map(|proof| proof.to_string());
    let checked = proven.unwrap_or_else(|| "checked with every commit".to_owned());
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
