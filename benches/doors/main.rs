//! What readers get of the real program, over the wire: rows by key, pages, SQL, searches and large results, at rest and while
//! events come in; and what that does to intake.
//!
//! `scripts/bench-doors` compiles it without Cargo and measures any program (`READSIDE_BIN`); `cargo bench --bench doors` builds
//! one first. So it uses nothing but the standard library. It needs Linux, a nats-server (`scripts/nats-server`) and PostgreSQL
//! (`scripts/postgres`), and runs in the root of the repository.

mod catching_up;
mod daemon;
mod documents;
mod events;
mod http;
mod intake;
mod large;
mod load;
mod nats;
mod options;
mod postgres;
mod processes;
mod readings;
mod report;
mod stage;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catching_up::Readers;
use documents::Vocabulary;
use events::Events;
use intake::Seen;
use options::{HELP, Options, Part};
use postgres::Postgres;
use processes::Folder;
use readings::Reading;
use stage::Stage;

/// After it, whoever publishes and whoever takes in have found their step.
const INTAKE_BEGINS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match Options::read(std::env::args().skip(1)).and_then(|options| options.map_or_else(help, run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doors: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> io::Result<()> {
    println!("{HELP}");
    Ok(())
}

fn run(options: Options) -> io::Result<()> {
    let began = Instant::now();
    let folder = Folder::new()?;
    let postgres = if options.has(Part::Postgres) {
        said(began, "filling a PostgreSQL server");
        let postgres = Postgres::start(&folder.path().join("postgres"))?;
        large::fill(&postgres, options.rows)?;
        Some(postgres)
    } else {
        None
    };
    said(began, "publishing, and waiting until readers find everything");
    let events = Arc::new(Events { accounts: options.rows, vocabulary: Vocabulary::new() });
    let mut stage = Stage::set(options, events, &folder)?;
    said(began, "waiting until the daemon rests");
    stage.daemon.wait_for_rest()?;
    introduce(&stage)?;

    let readings = readings::readings(&stage.options, &stage.events, stage.daemon.http)?;
    said(began, "reading at rest");
    at_rest(&stage, &readings, postgres.as_ref())?;
    said(began, "reading while events come in");
    beside_intake(&mut stage, &readings, postgres.as_ref())?;
    if stage.options.has(Part::CatchingUp) {
        said(began, "catching up");
        catching_up(&mut stage, &readings)?;
    }
    let (resident, most) = stage.daemon.resident_mib()?;
    println!("\nResident at the end: {resident} MiB, at most {most} MiB.");
    said(began, "done");
    Ok(())
}

/// To stderr: the tables are all that is on stdout.
fn said(began: Instant, what: &str) {
    eprintln!("doors: {:.0} s: {what}", began.elapsed().as_secs_f64());
}

fn introduce(stage: &Stage) -> io::Result<()> {
    let (cores, rows, rate) = (std::thread::available_parallelism()?, stage.options.rows, stage.options.rate);
    let (resident, _) = stage.daemon.resident_mib()?;
    println!(
        "{cores} cores, shared by all processes. {rows} rows, {rows} documents, {rate} events/s, {:?} each; {resident} MiB resident at rest.",
        stage.options.window,
    );
    Ok(())
}

fn at_rest(stage: &Stage, readings: &[Reading], postgres: Option<&Postgres>) -> io::Result<()> {
    report::at_rest_head();
    for reading in readings {
        report::at_rest(reading, &stage.measure(reading, None)?);
    }
    if let Some(postgres) = postgres {
        let results = stage.large_results(postgres, None)?;
        report::large_results("All rows over the PostgreSQL protocol, at rest", &results, None);
    }
    Ok(())
}

fn beside_intake(stage: &mut Stage, readings: &[Reading], postgres: Option<&Postgres>) -> io::Result<()> {
    let intake = stage.begin_intake()?;
    std::thread::sleep(INTAKE_BEGINS.min(stage.options.window));
    report::beside_intake_head(stage.options.rate);
    let alone = stage.measure_alone(&intake)?;
    let kept_up = alone.seen.as_ref().map(Seen::kept_up);
    report::beside_intake(None, &alone, None);
    for reading in readings {
        report::beside_intake(Some(reading), &stage.measure(reading, Some(&intake))?, kept_up);
    }
    // What changed meanwhile, beside what is measured, shows here.
    report::beside_intake(None, &stage.measure_alone(&intake)?, kept_up);
    if let Some(postgres) = postgres {
        let results = stage.large_results(postgres, Some(&intake))?;
        let title = "All rows over the PostgreSQL protocol, while events come in";
        report::large_results(title, &results, kept_up);
    }
    stage.end_intake(intake)
}

/// Beside one reading of each part.
fn catching_up(stage: &mut Stage, readings: &[Reading]) -> io::Result<()> {
    report::catching_up_head(stage.options.backlog());
    let mut parts: Vec<Part> = Vec::new();
    for reading in readings {
        if !parts.contains(&reading.part) {
            parts.push(reading.part);
            report::catching_up(&stage.catch_up(Readers::Http(reading))?);
        }
    }
    if stage.daemon.postgres.is_some() {
        report::catching_up(&stage.catch_up(Readers::LargeResults)?);
    }
    Ok(())
}
