//! `readside access`: who sees what, as the configuration says it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::access::{Claims, Denied};
use crate::config::Diagnostic;
use crate::plan::{Program, program};

#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Say which rows a reader with these claims sees, and what in the place of which columns, without a daemon
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside access explain customers --as tenant=acme\n  readside access explain --as tenant=acme --as roles=officer --as roles=auditor"
)]
struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A projection or a view; all of them if it is left out.
    relation: Option<String>,
    /// What is known of the reader; of one name there may be several.
    #[arg(long = "as", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a reader sees of a relation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    relation: String,
    /// Why nothing of it is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<String>,
    /// The policies, each with the conditions that hold of the rows that are seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rows: BTreeMap<String, Vec<String>>,
    /// What is seen in the place of columns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    masks: BTreeMap<String, String>,
}

pub(super) fn access(args: &AccessArgs) -> ExitCode {
    let AccessCommand::Explain(args) = &args.command;
    match compiled(args) {
        Ok(program) => explain(&program, args),
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
            failed(&format!("{} cannot be used", args.config.config))
        }
    }
}

fn compiled(args: &ExplainArgs) -> Result<Program, Vec<Diagnostic>> {
    let loaded = load_config(&args.config.config)?;
    program(&loaded.config).map_err(|problems| problems.iter().map(|one| loaded.places.diagnostic(one)).collect())
}

fn explain(program: &Program, args: &ExplainArgs) -> ExitCode {
    let mut claims = Claims::default();
    args.claims.iter().for_each(|(name, value)| claims.add(name, value));
    let kept = program.projections.iter().map(|one| one.config.name.as_str());
    let mut names: Vec<&str> = kept.chain(program.views.iter().map(|one| one.config.name.as_str())).collect();
    names.sort_unstable();
    if let Some(asked) = &args.relation {
        if !names.contains(&asked.as_str()) {
            let names = names.join(", ");
            return failed(&format!("no projection or view is declared by the name `{asked}`; there are {names}"));
        }
        names = vec![asked];
    }
    let seen: Vec<Seen> = names.into_iter().map(|name| Seen::of(program, name, &claims)).collect();
    if args.json {
        match serde_json::to_string(&seen) {
            Ok(text) => print::line(text),
            Err(error) => return failed(&error.to_string()),
        }
    } else {
        seen.iter().for_each(Seen::print);
    }
    ExitCode::SUCCESS
}

impl Seen {
    fn of(program: &Program, relation: &str, claims: &Claims) -> Self {
        let mut seen =
            Seen { relation: relation.to_owned(), denied: None, rows: BTreeMap::new(), masks: BTreeMap::new() };
        let Some(columns) = program.columns(relation) else { return seen };
        match program.policies.permit(relation, None, claims, &columns) {
            Ok(None) => {}
            Ok(Some(permit)) => {
                let rows = permit.explained().into_iter();
                seen.rows = rows.map(|(policy, conditions)| (policy.to_owned(), conditions)).collect();
                let masks = permit.masks_explained().into_iter();
                seen.masks = masks.map(|(column, mask)| (column.to_owned(), mask)).collect();
            }
            Err(denied) => seen.denied = Some(Denied::to_string(&denied)),
        }
        seen
    }

    fn print(&self) {
        let relation = &self.relation;
        if let Some(denied) = &self.denied {
            return print::line(format_args!("{relation}: nothing, because {denied}"));
        }
        if self.rows.values().all(Vec::is_empty) {
            print::line(format_args!("{relation}: every row"));
        } else {
            print::line(format_args!("{relation}: the rows for which"));
        }
        for (policy, conditions) in &self.rows {
            let conditions =
                if conditions.is_empty() { "it hides nothing".to_owned() } else { conditions.join(" AND ") };
            print::line(format_args!("  {conditions}  (policy {policy})"));
        }
        for (column, mask) in &self.masks {
            print::line(format_args!("  with {mask} in the place of {column}"));
        }
    }
}

fn claim(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or_else(|| "write `NAME=VALUE`, such as `tenant=acme`".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
