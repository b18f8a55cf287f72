//! The oracle (P1): at every cut each projection equals DataFusion's batch result of its SQL over the same admitted
//! prefix, whatever the schema, the log, the SQL, the cuts and the restarts.
//!
//! The quick run takes as many random cases as fit into its time: the same ones each time, and then fresh ones, whose
//! first seed is printed. The long one is `scripts/oracle`: ten thousand cases, and a report of what they reached. Both
//! are set by variables: `ORACLE_SEED=n` runs the case of one seed, `ORACLE_CASES=n` runs that many, all of them, and
//! reports every failure at the end; `ORACLE_FIRST=n` says with which seed either run begins, and takes no fresh ones,
//! `ORACLE_THREADS=n` how many cases are run at once, and with `ORACLE_STOP=1` the first failure ends the run, and is not
//! made small.

mod admission;
mod aggregates;
mod case;
mod closed;
mod coverage;
mod expressions;
pub(crate) mod given;
mod heap;
mod kept;
mod logs;
mod met;
mod operators;
mod queries;
mod random;
mod regressions;
mod rows;
mod run;
mod seeds;
mod setup;
mod shares;
mod sharing;
mod shrink;
mod syntax;
mod truth;
mod types;
mod work;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use coverage::Coverage;
use random::random_case;
use run::{Verdict, run};
use seeds::{Seeds, number};
use shrink::shrink;

/// For each failure.
const SHRINKING: Duration = Duration::from_secs(20);

#[test]
fn every_projection_equals_its_batch_result_at_every_cut() {
    if let Some(seed) = number("ORACLE_SEED") {
        println!("{}", random_case(seed).case());
        if let Some(report) = check(seed, true, &Mutex::default()) {
            panic!("{report}");
        }
        return;
    }
    let seeds = Seeds::of_environment();
    // Before the first case, so that it is there however the run ends.
    println!("{seeds}");
    let (begin, stops) = (Instant::now(), number("ORACLE_STOP").is_some());
    let (seeds, reports, coverage) = (Mutex::new(seeds), Mutex::new(Vec::new()), Mutex::new(Coverage::default()));
    let take = || {
        let failed = !reports.lock().unwrap().is_empty();
        let mut seeds = seeds.lock().unwrap();
        let goes_on = !failed || seeds.runs_all() && !stops;
        goes_on.then(|| seeds.next(begin.elapsed())).flatten()
    };
    std::thread::scope(|scope| {
        for _ in 0..number("ORACLE_THREADS").unwrap_or(1) {
            scope.spawn(|| {
                while let Some(seed) = take() {
                    if let Some(report) = check(seed, !stops, &coverage) {
                        println!("{report}");
                        reports.lock().unwrap().push(report);
                    }
                }
            });
        }
    });
    let (reports, coverage) = (reports.into_inner().unwrap(), coverage.into_inner().unwrap());
    println!("{:?}\n{coverage}", begin.elapsed());
    if seeds.into_inner().unwrap().runs_all() {
        println!("met less than 100 times:\n  {}", coverage.gaps().join("\n  "));
    }
    assert!(reports.is_empty(), "{} cases failed\n{}", reports.len(), reports.join("\n"));
    assert!(coverage.with_rows > 0, "no case gave any row");
}

/// Runs one seed and reports its failure, made small if there is time for it.
fn check(seed: u64, shrinks: bool, coverage: &Mutex<Coverage>) -> Option<String> {
    let case = random_case(seed);
    let result = run(&case.case());
    coverage.lock().unwrap().add(seed, &case, &result);
    let Err(Verdict::Failed(failure)) = result else { return None };
    let time = if shrinks { SHRINKING } else { Duration::ZERO };
    let (small, smaller) = shrink(&case, &failure, time);
    Some(format!("ORACLE_SEED={seed}: {failure}\nmade small:\n{}{smaller}\n", small.case()))
}
