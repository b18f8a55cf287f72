//! `readside test`: cases beside the projections, each in all ways in which its events can come.

mod capture;
mod files;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use self::capture::{Captured, capture};
use self::files::{CaseFile, accept, case_files, read};
use self::report::{Report, junit, summary, told};
use super::files::load_config;
use super::{ConfigArgs, chain, failed, print};
use crate::config::{Config, Diagnostic};
use crate::plan::{Program, program};
use crate::trial::{CaseOutcome, run_case};

/// `readside test`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside test\n  readside test --capture orders:120..131 --out projections/returns.test.yaml"
)]
pub(super) struct TestArgs {
    /// Files of cases [default: every `*.test.yaml` in the folders of the projections]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Write down in each case what is there, in the place of what it says.
    #[arg(long)]
    accept: bool,
    /// Write a report for CI into this file, as JUnit does.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Run no case, but write one from these messages of a source, with what the projections then have.
    #[arg(long, value_name = "SOURCE:FROM..TO", conflicts_with_all = ["files", "accept", "junit", "json"])]
    capture: Option<Captured>,
    /// Where the captured case is written [default: standard output].
    #[arg(long, value_name = "FILE", requires = "capture")]
    out: Option<PathBuf>,
}

/// Exit codes: 0 all cases hold, 1 error, 2 one does not.
pub(super) fn test(args: &TestArgs) -> ExitCode {
    if let Some(captured) = &args.capture {
        return match capture(captured, &args.config.config, args.out.as_deref()) {
            Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
            Ok(faults) => {
                faults.iter().for_each(print::error_line);
                ExitCode::from(2)
            }
            Err(error) => failed(&error),
        };
    }
    match run(args) {
        Ok(reports) if reports.iter().all(Report::holds) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => failed(&error),
    }
}

fn run(args: &TestArgs) -> Result<Vec<Report>, String> {
    let (config, program) = compiled(&args.config.config)?;
    let files = read(&case_files(&args.files, &config)?).map_err(|diagnostics| {
        tell(&diagnostics);
        "the cases cannot be used".to_owned()
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut reports = Vec::new();
    for file in &files {
        let mut accepted = Vec::new();
        for case in &file.cases {
            let began = Instant::now();
            let outcome = runtime.block_on(run_case(&program, &config, case));
            let outcome = outcome.map_err(|error| format!("{}:{}: {}", file.path, case.line, chain(&error)))?;
            let CaseOutcome { mut unexpected, faults, ways, accepted: then } = outcome;
            // What cannot be right is not to be written down.
            if args.accept && faults.is_empty() && !unexpected.is_empty() {
                accepted.push((case, then));
                unexpected.clear();
            }
            reports.push(report(file, case, began.elapsed(), ways, unexpected.into_iter().chain(faults)));
            if !args.json {
                print::line(told(&reports[reports.len() - 1]));
            }
        }
        accept(file, &accepted)?;
    }
    match args.json {
        true => print::line(serde_json::to_string_pretty(&reports).map_err(|error| error.to_string())?),
        false => print::line(summary(&reports)),
    }
    if let Some(path) = &args.junit {
        let written = junit(&reports).and_then(|text| std::fs::write(path, text).map_err(|error| error.to_string()));
        written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(reports)
}

fn report(
    file: &CaseFile,
    case: &crate::config::Case,
    took: Duration,
    ways: usize,
    findings: impl Iterator<Item = crate::trial::Finding>,
) -> Report {
    Report {
        file: file.path.clone(),
        line: case.line,
        case: case.name.clone(),
        ways,
        seconds: took.as_secs_f64(),
        findings: findings.collect(),
    }
}

/// The configuration, and everything of it compiled.
fn compiled(root: &str) -> Result<(Config, Program), String> {
    let unusable = |diagnostics: &[Diagnostic]| {
        tell(diagnostics);
        format!("{root} cannot be used")
    };
    let loaded = load_config(root).map_err(|diagnostics| unusable(&diagnostics))?;
    let program = program(&loaded.config).map_err(|problems| {
        unusable(&problems.iter().map(|problem| loaded.places.diagnostic(problem)).collect::<Vec<_>>())
    })?;
    Ok((loaded.config, program))
}

fn tell(diagnostics: &[Diagnostic]) {
    diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
}
