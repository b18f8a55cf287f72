//! `readside plan`: what a reload or a start with a configuration would do.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::files::load_config;
use super::query::Client;
use super::{ConfigArgs, failed, print};
use crate::app::{
    self, Baseline, BuildPlan, DeclaredChange, Estimate, Plan, ProjectionChange, ProjectionPlan, PromotionPlan,
    QueryPlan, SettingPlan, SourceChange, Verdict, ViewPlan,
};
use crate::plan::program;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Compare with the checkpoint in this data directory, of a daemon that does not run, in place of a running daemon.
    #[arg(long, value_name = "PATH")]
    data_dir: Option<String>,
    /// The running daemon's address.
    #[arg(long, env = "READSIDE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Allow columns to be dropped or to become another type, and projections to go.
    #[arg(long)]
    allow_breaking: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 nothing would change, 1 error, 2 something would, 3 something cannot be, a reload refuses it, or it breaks readers and
/// was not allowed.
pub(super) fn plan(args: &PlanArgs) -> ExitCode {
    let loaded = match load_config(&args.config.config) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
            return failed(&format!("{} cannot be used", args.config.config));
        }
    };
    let program = match program(&loaded.config) {
        Ok(program) => program,
        Err(problems) => {
            let diagnostics = problems.iter().map(|problem| loaded.places.diagnostic(problem));
            diagnostics.for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
            return failed(&format!("{} cannot be used", args.config.config));
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let baseline = match &args.data_dir {
        Some(location) => {
            if !location.contains("://") && !Path::new(location).exists() {
                // Relative paths begin here, and those of `data_dir` at the root file.
                let place = std::path::absolute(location).unwrap_or_else(|_| location.into());
                let place = place.display();
                print::error_line(format_args!(
                    "note: there is nothing at {place}: this is the plan of a first start\n"
                ));
            }
            runtime.block_on(app::baseline_of_data_dir(location, &loaded.config))
        }
        None => baseline_of_daemon(&args.url),
    };
    let baseline = match baseline {
        Ok(baseline) => baseline,
        Err(error) => return failed(&error),
    };
    let histories = runtime.block_on(app::histories(&loaded.config));
    let mut plan = app::plan(&baseline, &loaded.config, program, &histories);
    if args.allow_breaking {
        plan.allow_breaking();
    }
    let shown = match args.json {
        true => serde_json::to_string_pretty(&plan).map(print::line).map_err(|error| error.to_string()),
        false => show(&plan, &mut std::io::stdout()).map_err(|error| error.to_string()),
    };
    if let Err(error) = shown {
        return failed(&error);
    }
    match plan.verdict {
        Verdict::InSync => ExitCode::SUCCESS,
        Verdict::Deployable => ExitCode::from(2),
        Verdict::Breaking | Verdict::NeedsRestart | Verdict::Blocked => ExitCode::from(3),
    }
}

fn baseline_of_daemon(url: &str) -> Result<Baseline, String> {
    let answer = Client::new(url).post(&["v1", "admin", "facts"], &json!({})).map_err(|error| error.to_string())?;
    serde_json::from_str(&answer).map_err(|error| format!("the daemon's answer is not understood: {error}"))
}

fn show(plan: &Plan, out: &mut dyn Write) -> std::io::Result<()> {
    for SettingPlan { name, before, now, needs_restart } in &plan.settings {
        let restart = if *needs_restart { "; needs a restart" } else { "" };
        writeln!(out, "setting {name}: {before} becomes {now}{restart}")?;
    }
    for source in plan.sources.iter().filter(|source| source.change != SourceChange::NoOp) {
        let change = match source.change {
            SourceChange::NoOp => continue,
            SourceChange::New => "new",
            SourceChange::ReadAgain => "its messages are read again, in another way",
            SourceChange::InPlace => "what was admitted is the same, and what is parked is looked at again",
            SourceChange::Moved => "it is read from elsewhere, or followed otherwise, from where it is",
            SourceChange::Replaced => "it would read something else than before; needs a restart",
            SourceChange::RolledBack => "it was rolled back from, and is read as before",
            SourceChange::Removed => "removed",
        };
        writeln!(out, "source {}: {change}", source.name)?;
    }
    for ProjectionPlan { name, change, reasons, breaking } in &plan.projections {
        let change = match change {
            ProjectionChange::NoOp => continue,
            ProjectionChange::Settings => "settings, for which nothing is built",
            ProjectionChange::IndexOnly => "index only",
            ProjectionChange::Build => "build",
            ProjectionChange::New => "new",
            ProjectionChange::RolledBack => "rolled back from; `readside projection rebuild` builds it again",
            ProjectionChange::Paused => "paused, and stays so until `readside projection resume`",
            ProjectionChange::Waits => "built once what it reads is resumed",
            ProjectionChange::Removed => "removed",
        };
        writeln!(out, "projection {name}: {change}{}", why(reasons, *breaking))?;
    }
    for ViewPlan { name, change, reasons, readers, breaking } in &plan.views {
        let Some(change) = declared(*change) else { continue };
        let readers = if readers.is_empty() { String::new() } else { format!("; read by {}", readers.join(", ")) };
        writeln!(out, "view {name}: {change}{}{readers}", why(reasons, *breaking))?;
    }
    for QueryPlan { name, change, breaking } in &plan.queries {
        let Some(change) = declared(*change) else { continue };
        writeln!(out, "query {name}: {change}{}", why(&[], *breaking))?;
    }
    for build in &plan.builds {
        show_build(build, out)?;
    }
    for unknown in &plan.unknown {
        writeln!(out, "not known: {unknown}")?;
    }
    if !plan.needs_restart.is_empty() {
        writeln!(out, "a reload refuses all of it; restart the daemon, because:")?;
        plan.needs_restart.iter().try_for_each(|why| writeln!(out, "  {why}"))?;
    }
    let verdict = match plan.verdict {
        Verdict::InSync => "in-sync: nothing would change",
        Verdict::Deployable => "deployable",
        Verdict::Breaking => "breaking: readers of today may miss something; not deployable without --allow-breaking",
        Verdict::NeedsRestart => "needs a restart: a reload refuses all of it",
        Verdict::Blocked => "blocked: something cannot be built",
    };
    writeln!(out, "{verdict}")
}

fn declared(change: DeclaredChange) -> Option<&'static str> {
    match change {
        DeclaredChange::NoOp => None,
        DeclaredChange::New => Some("new"),
        DeclaredChange::Changed => Some("changed"),
        DeclaredChange::Removed => Some("removed"),
    }
}

fn why(reasons: &[String], is_breaking: bool) -> String {
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    format!("{reasons}{}", if is_breaking { " (breaking)" } else { "" })
}

/// What a build takes beside what is there, in words.
fn estimated(estimate: &Estimate) -> String {
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let memory = estimate.memory_bytes.map(|bytes| format!("{} of memory", mib(bytes)));
    let disk = estimate.disk_bytes.map(|bytes| format!("{} on disk", mib(bytes)));
    let both: Vec<String> = memory.into_iter().chain(disk).collect();
    let without = match (both.is_empty(), estimate.without.as_slice()) {
        (_, []) => String::new(),
        (true, _) => "; what memory and disk it takes is not known yet".to_owned(),
        (false, without) => format!(", without {}, of which nothing is there yet", without.join(", ")),
    };
    match both.is_empty() {
        true => without,
        false => format!("; estimate: {} beside, as what it replaces takes now{without}", both.join(" and ")),
    }
}

fn show_build(build: &BuildPlan, out: &mut dyn Write) -> std::io::Result<()> {
    let reads: Vec<String> = build
        .reads
        .iter()
        .map(|(source, sequences)| match sequences {
            Some(sequences) => format!("{sequences} sequences of {source}"),
            None => format!("an unknown number of sequences of {source}"),
        })
        .collect();
    let reads = match (reads.is_empty(), build.avoids) {
        (true, 0) => "reads no event".to_owned(),
        (true, avoids) => format!("reads no event again, and so avoids {avoids} sequences"),
        (false, _) => format!("reads {}", reads.join(", ")),
    };
    let time = match build.seconds {
        Some(seconds) => format!("about {seconds:.0} s"),
        None => "how long that takes is not known yet".to_owned(),
    };
    let names = if build.projections.is_empty() { "no projection".to_owned() } else { build.projections.join(", ") };
    let serves = match build.promotion {
        PromotionPlan::Auto => "serves at once",
        PromotionPlan::WhenEqual => "serves if its rows are the same",
        PromotionPlan::Manual => "waits to be promoted",
        PromotionPlan::Breaking => "waits to be promoted with --allow-breaking",
    };
    let estimate = estimated(&build.estimate);
    let kept = build.keep_seconds.map(|seconds| format!("; what it replaces is kept for {}", span(seconds)));
    writeln!(out, "build of {names}: {reads}; {time}{estimate}; {serves}{}", kept.unwrap_or_default())?;
    for unknown in &build.unknown {
        writeln!(out, "  not known: {unknown}")?;
    }
    if let Some(blocked) = &build.blocked {
        writeln!(out, "  blocked: {blocked}")?;
    }
    Ok(())
}

fn span(seconds: u64) -> String {
    if seconds.is_multiple_of(3600) { format!("{} h", seconds / 3600) } else { format!("{seconds} s") }
}
