//! The oracle (P1): at every cut each projection equals DataFusion's batch result of its SQL over the same admitted
//! prefix, whatever the schema, the log, the SQL, the cuts and the restarts.
//!
//! The quick run takes as many random cases as fit into its time. `ORACLE_SEED=n` runs the case of one seed,
//! `ORACLE_CASES=n` runs that many, all of them, and reports every failure at the end; `ORACLE_FIRST=n` says with
//! which seed either run begins.

mod aggregates;
mod case;
mod coverage;
mod expressions;
pub(crate) mod given;
mod kept;
mod logs;
mod queries;
mod random;
mod regressions;
mod rows;
mod run;
mod setup;
mod shrink;
mod syntax;
mod truth;
mod types;

use std::time::{Duration, Instant};

use coverage::Coverage;
use random::random_case;
use run::{Outcome, Verdict, run};
use shrink::shrink;

const QUICK: Duration = Duration::from_secs(20);
/// For each failure.
const SHRINKING: Duration = Duration::from_secs(20);

#[test]
fn every_projection_equals_its_batch_result_at_every_cut() {
    if let Some(seed) = number("ORACLE_SEED") {
        println!("{}", random_case(seed).case());
        if let Some(report) = check(seed, &mut Coverage::default()) {
            panic!("{report}");
        }
        return;
    }
    let (first, wanted) = (number("ORACLE_FIRST"), number("ORACLE_CASES"));
    // Always the same cases, so that a failure is a change's and not chance's.
    let first = first.unwrap_or(0);
    let mut coverage = Coverage::default();
    let mut reports = Vec::new();
    let begin = Instant::now();
    for seed in first.. {
        match wanted {
            Some(cases) if seed - first >= cases => break,
            None if begin.elapsed() > QUICK || !reports.is_empty() => break,
            _ => {}
        }
        if let Some(report) = check(seed, &mut coverage) {
            println!("{report}");
            reports.push(report);
        }
    }
    println!("seeds from {first}, {:?}\n{coverage}", begin.elapsed());
    assert!(reports.is_empty(), "{} cases failed\n{}", reports.len(), reports.join("\n"));
    assert!(coverage.with_rows > 0, "no case gave any row");
}

/// Runs one seed and reports its failure, made small.
fn check(seed: u64, coverage: &mut Coverage) -> Option<String> {
    let case = random_case(seed);
    let result: Result<Outcome, Verdict> = run(&case.case());
    coverage.add(seed, &case, &result);
    let Err(Verdict::Failed(failure)) = result else { return None };
    let (small, smaller) = shrink(&case, &failure, SHRINKING);
    Some(format!("ORACLE_SEED={seed}: {failure}\nmade small:\n{}{smaller}\n", small.case()))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
